import { deserialize, serialize } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { parseCommand, parseEvent, type EngineEvent } from '../../workers/render/engine/protocol.ts';
import { engineSample, sampleOfKind } from '../support/engine.ts';

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

  test('carries an input that several samples share once, and as one array', () => {
    const inputs = { image: new Uint8Array(10_000) };
    const samples = ['a', 'b', 'c'].map((id) =>
      sampleOfKind(id, { kind: 'img2img', strength: 0.5 }, { model: 'm', inputs }),
    );
    const message = serialize({ kind: 'add', samples });
    expect(message.length).toBeLessThan(2 * inputs.image.length);
    const command = parseCommand(deserialize(message));
    if (command.kind !== 'add') throw new Error('the command has changed its kind');
    expect(new Set(command.samples.map((sample) => sample.inputs.image)).size).toBe(1);
  });

  test('carries a depth map in 16 bits', () => {
    const map: EngineEvent = {
      kind: 'depth_map',
      id: 'a',
      width: 2,
      height: 1,
      grey16: Uint16Array.of(0, 65_535),
    };
    expect(parseEvent(clone(map))).toEqual(map);
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
