/**
 * A lane is one BullMQ queue: one model at one size, whatever the kind of job, so that all of them share its batches.
 * A job of two stages waits in a lane of both models, which only a worker that has both may take. BullMQ forbids ':'
 * in queue names; '/' cannot occur in the name of a model, which is a folder.
 */
export interface LaneFacts {
  readonly model: string;
  readonly width: number;
  readonly height: number;
  /** The second stage, when there is one. */
  readonly upscale?: { readonly model: string } | null;
}

/** `model.WxH`, or `model/upscaler.WxH`. */
export function laneName({ model, width, height, upscale }: LaneFacts): string {
  const models = upscale === undefined || upscale === null ? model : `${model}/${upscale.model}`;
  return `${models}.${width}x${height}`;
}

/** The one or two models of a lane; the name as it stands when it is not of that form. */
export function laneModels(lane: string): string[] {
  return lane.replace(/\.\d+x\d+$/, '').split('/');
}

export interface LaneSize {
  readonly width: number;
  readonly height: number;
}

/** Null for a name that is not of that form. */
export function laneSize(lane: string): LaneSize | null {
  const [, width, height] = /\.(\d+)x(\d+)$/.exec(lane) ?? [];
  return width === undefined || height === undefined
    ? null
    : { width: Number(width), height: Number(height) };
}
