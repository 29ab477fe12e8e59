import { KilnClient } from './client.ts';

/** KILN_URL and KILN_API_KEY say which farm and who asks; without them, the farm of `kiln up` on this machine. */
export function farmClient(environment: NodeJS.ProcessEnv): KilnClient {
  const key = environment['KILN_API_KEY'] ?? '';
  return new KilnClient(farmUrl(environment), key === '' ? undefined : key);
}

export function farmUrl(environment: NodeJS.ProcessEnv): string {
  const given = environment['KILN_URL'] ?? '';
  const port = environment['KILN_PORT'] ?? '';
  if (given === '') return `http://127.0.0.1:${port === '' ? '8080' : port}`;
  if (URL.canParse(given)) return given.replace(/\/+$/, '');
  throw new Error(`KILN_URL is ${given}: it must be the address of a farm, such as http://127.0.0.1:8080`);
}
