import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';

it('the operator may allow origins, written in any way that a URL can be', () => {
  const { outbound } = loadConfig({
    KILN_FETCH_ALLOW: 'HTTP://Files.internal:9000/x, https://10.0.0.5:443,',
  });
  expect(outbound).toEqual({
    allowHttp: false,
    allowedOrigins: new Set(['http://files.internal:9000', 'https://10.0.0.5']),
  });
});

it('nothing but https to public addresses is allowed unless it is said', () => {
  expect(loadConfig({}).outbound).toEqual({ allowHttp: false, allowedOrigins: new Set() });
  expect(loadConfig({ KILN_FETCH_HTTP: 'true' }).outbound.allowHttp).toBe(true);
});

it.each(['files.internal', 'ftp://files.internal', '*', '10.0.0.0/8'])('%s is no origin', (entry) => {
  expect(() => loadConfig({ KILN_FETCH_ALLOW: `https://fine.example,${entry}` })).toThrow(
    `KILN_FETCH_ALLOW: ${entry} is no origin`,
  );
});
