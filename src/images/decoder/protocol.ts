/** Between the API and its decode child: a file goes in (as a Uint8Array), one answer comes out. */
export type DecodeAnswer =
  | { readonly kind: 'image'; readonly png: Uint8Array; readonly width: number; readonly height: number }
  | { readonly kind: 'refused'; readonly message: string; readonly limit: number | string };

/** Throws on anything else: what a child says after decoding a hostile file is checked as well. */
export function parseAnswer(message: unknown): DecodeAnswer {
  if (typeof message === 'object' && message !== null && 'kind' in message) {
    if (isImage(message)) return message;
    if (isRefusal(message)) return message;
  }
  throw new Error('the decode child gave no answer that Kiln knows');
}

function isImage(message: object): message is DecodeAnswer & { kind: 'image' } {
  return (
    'kind' in message &&
    message.kind === 'image' &&
    'png' in message &&
    message.png instanceof Uint8Array &&
    'width' in message &&
    Number.isInteger(message.width) &&
    'height' in message &&
    Number.isInteger(message.height)
  );
}

function isRefusal(message: object): message is DecodeAnswer & { kind: 'refused' } {
  return (
    'kind' in message &&
    message.kind === 'refused' &&
    'message' in message &&
    typeof message.message === 'string' &&
    'limit' in message &&
    (typeof message.limit === 'string' || typeof message.limit === 'number')
  );
}
