/** An address that Kiln does not go to, or that gave nothing. The message goes on after its name: 'answers with ...'. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
}
