/** A lane is one BullMQ queue: one model at one size. BullMQ forbids ':' in queue names. */
export function laneName(job: {
  readonly model: string;
  readonly width: number;
  readonly height: number;
}): string {
  return `${job.model}.${job.width}x${job.height}`;
}

/** The model of a lane; the name as it stands when it is not of that form. */
export function laneModel(lane: string): string {
  return lane.replace(/\.\d+x\d+$/, '');
}
