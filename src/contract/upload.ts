/** An image that a caller sent ahead of the jobs that use it. */
import { Type, type Static } from 'typebox';

export const Upload = Type.Object(
  {
    id: Type.String({ description: '`up_` and the SHA-256; the same picture has the same id' }),
    width: Type.Integer({ description: 'Pixels, after the orientation in its EXIF' }),
    height: Type.Integer(),
    bytes: Type.Integer({ description: 'Of the image as it is kept, not as it was sent' }),
    sha256: Type.String({ description: 'Of the image as it is kept' }),
    content_type: Type.String({ description: 'As it is kept: `image/png`' }),
    expires_at: Type.String({
      format: 'date-time',
      description: 'When it goes if nobody uses it before; a job or a look at it puts that off',
    }),
  },
  { $id: 'Upload', additionalProperties: false },
);
export type Upload = Static<typeof Upload>;
