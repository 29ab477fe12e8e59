/** Decoded pictures, as the samplers and the encoders hand them to each other. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface RawImage extends Size {
  /** `[height, width, 3]`, 8 bits a channel. */
  readonly rgb: Uint8Array;
}

/** A mask (white is repainted), or the luminance of an image. */
export interface GreyImage extends Size {
  /** `[height, width]`, 8 bits. */
  readonly grey: Uint8Array;
}

/** A depth map: larger is nearer. Only the order and the proportions count, so any scale is right. */
export interface DepthValues extends Size {
  /** `[height, width]`. */
  readonly values: Float32Array;
}

/** A part of an image, in its pixels: `left`, `top` and a size, inside the image. */
export interface Box extends Size {
  readonly left: number;
  readonly top: number;
}

/** 16-bit grey: a depth map to be seen or stored. */
export interface DeepGreyImage extends Size {
  /** `[height, width]`, 0..65535. */
  readonly grey16: Uint16Array;
}

/** For what is done to colour and grey alike. */
export function bytesOf(image: RawImage | GreyImage): { bytes: Uint8Array; channels: number } {
  return 'grey' in image ? { bytes: image.grey, channels: 1 } : { bytes: image.rgb, channels: 3 };
}

/** Other pixels of the same kind as the image's. */
export function withBytes(
  like: RawImage | GreyImage,
  { width, height }: Size,
  bytes: Uint8Array,
): RawImage | GreyImage {
  return 'grey' in like ? { width, height, grey: bytes } : { width, height, rgb: bytes };
}
