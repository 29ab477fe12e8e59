/** A file that is no image Kiln takes. The message goes on after the name of the field: 'is a GIF; send ...'. */
export class RefusedImageError extends Error {
  override readonly name = 'RefusedImageError';
  /** What would have been taken. */
  readonly limit: number | string;

  constructor(message: string, limit: number | string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.limit = limit;
  }
}
