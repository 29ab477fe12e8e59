/** Where the API of the farm is found, as links have it. */
import type { Config } from './config.ts';

/** Where a browser on the API's own machine finds it. */
export function listenUrl({ host, port }: Pick<Config, 'host' | 'port'>): string {
  return `http://${urlHost(host)}:${port}`;
}

/** Where links start in what is sent without being asked for: there is no request to take the host from. */
export function farmOrigin(config: Pick<Config, 'host' | 'port' | 'publicUrl'>): string {
  return config.publicUrl === '' ? listenUrl(config) : config.publicUrl;
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
