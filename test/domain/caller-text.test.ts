import { expect, test } from 'vitest';
import { forCallers } from '../../src/domain/caller-text.ts';

test('folders of the server are left out of what callers are told, the names below them are not', () => {
  const text = '/srv/kiln/models/sd/unet/config.json: "in_channels" is 3; /srv/kiln/data/x was not written';
  expect(forCallers(text, ['/srv/kiln', '/srv/kiln/models'])).toBe(
    'sd/unet/config.json: "in_channels" is 3; data/x was not written',
  );
});

test('long reasons are cut', () => {
  expect(forCallers('x'.repeat(5_000), [])).toHaveLength(1_004);
});
