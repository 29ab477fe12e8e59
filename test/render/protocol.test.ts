import { deserialize, serialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { parseCommand, parseEvent, type EngineEvent } from '../../workers/render/engine/protocol.ts';
import { engineSample } from '../support/engine.ts';

/** What a message becomes on its way through the channel. */
function clone(message: unknown): unknown {
  return deserialize(serialize(message));
}

const image: EngineEvent = {
  kind: 'image',
  id: 'job/1/0',
  width: 1,
  height: 1,
  rgb: Uint8Array.of(1, 2, 3),
  averageBatch: 1.5,
};

describe('the protocol between supervisor and engine', () => {
  test('carries pixels as bytes', () => {
    expect(parseEvent(clone(image))).toEqual(image);
  });

  test('carries commands', () => {
    const command = { kind: 'add', samples: [engineSample('job/1/0')] };
    expect(parseCommand(clone(command))).toEqual(command);
  });

  test.each<{ title: string; message: unknown }>([
    { title: 'of an unknown kind', message: { kind: 'shout' } },
    { title: 'without a field', message: { kind: 'stepped', lane: 'a.8x8' } },
    { title: 'with pixels that are not bytes', message: { ...image, rgb: [1, 2, 3] } },
    {
      title: 'with an unknown failure',
      message: { kind: 'failed', id: 'a', failure: { code: 'x', message: '' } },
    },
    { title: 'that is no object', message: 'ready' },
  ])('refuses a message $title', ({ message }) => {
    expect(() => parseEvent(message)).toThrow(
      /^bad event from the engine: .* has the shape of no known kind$/s,
    );
  });

  test('does not repeat what a bad message carries', () => {
    const message = { kind: 'add', samples: [{ prompt: 'something private' }] };
    expect(() => parseCommand(message)).toThrow(/^(?!.*private)bad command to the engine/s);
  });
});
