import { Command, InvalidArgumentError } from 'commander';
import { digestOfKey, newApiKey } from '../../api-key.ts';
import { DEFAULT_TENANT } from '../../domain/job.ts';
import { ApiKeyRecords, type ApiKeyRecord } from '../../queue/api-keys.ts';
import { withFarmRedis } from '../farm/farm-redis.ts';
import { formatTable, type Column } from '../table.ts';

const DAY_MS = 24 * 3_600_000;
const MAX_NAME_CHARS = 64;
const MAX_DAYS = 3_650;

const COLUMNS: ReadonlyArray<Column<ApiKeyRecord>> = [
  { title: 'id', align: 'left', text: ({ id }) => id },
  { title: 'name', align: 'left', text: ({ name }) => name },
  { title: 'created', align: 'left', text: ({ createdAt }) => dateOf(createdAt) },
  {
    title: 'expires',
    align: 'left',
    text: ({ expiresAt }) => (expiresAt === null ? '-' : dateOf(expiresAt)),
  },
];

/** They go to Redis, not through the API: who may make keys is who may reach the farm's Redis. */
export function keysCommand(): Command {
  const keys = new Command('keys').description('make keys for callers of the API, and take them back');
  keys
    .command('create')
    .argument('<name>', 'whose it is; for people', toName)
    .option('--days <days>', 'it expires after so many days', toDays)
    .description('make a key and show it, this once')
    .action(createKey);
  keys.command('list').description('whose keys there are').action(listKeys);
  keys
    .command('revoke')
    .argument('<id>', 'as `kiln keys list` shows it, or the key itself')
    .description('refuse a key from now on: within 5 seconds at every API')
    .action(revokeKey);
  return keys;
}

async function createKey(name: string, { days }: { days?: number }): Promise<void> {
  const { id, key } = newApiKey();
  const sha256 = digestOfKey(key).toString('hex');
  const lifeMs = days === undefined ? null : days * DAY_MS;
  await withFarmRedis((redis, keys) =>
    new ApiKeyRecords(redis, keys).add({ id, sha256, tenant: DEFAULT_TENANT, name, lifeMs }),
  );
  // The key alone on stdout, for scripts.
  console.log(key);
  console.error(`Key ${id} of ${name}. It is shown this once: only its hash is kept.`);
  console.error('The API asks for keys when KILN_API_KEYS or KILN_REQUIRE_KEY is set.');
}

async function listKeys(): Promise<void> {
  const records = await withFarmRedis((redis, keys) => new ApiKeyRecords(redis, keys).list());
  console.log(records.length === 0 ? 'There are no keys' : formatTable(COLUMNS, records));
}

async function revokeKey(given: string): Promise<void> {
  const id = /^kiln_([0-9a-f]{12})_/.exec(given)?.[1] ?? given;
  const isRevoked = await withFarmRedis((redis, keys) => new ApiKeyRecords(redis, keys).revoke(id));
  if (!isRevoked) throw new Error(`there is no key ${id}; see \`kiln keys list\``);
  console.log(`Key ${id} is revoked`);
}

function toName(text: string): string {
  if (/^[\x20-\x7e]+$/.test(text) && text.length <= MAX_NAME_CHARS) return text;
  throw new InvalidArgumentError(`must be 1 to ${MAX_NAME_CHARS} plain characters`);
}

function toDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= MAX_DAYS) return days;
  throw new InvalidArgumentError(`must be a whole number from 1 to ${MAX_DAYS}`);
}

function dateOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
