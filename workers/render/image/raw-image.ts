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
