import { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import { WebhookSecrets } from '../../queue/webhook-secrets.ts';
import { withFarmRedis } from '../farm/farm-redis.ts';

export function webhooksCommand(): Command {
  const webhooks = new Command('webhooks').description('what receivers of webhooks need');
  webhooks
    .command('secret')
    .description('show what messages are signed with: give the first to receivers')
    .action(async () => show(await secretsInUse('read')));
  webhooks
    .command('rotate')
    .description('sign with a new secret too; the old one goes after 24 hours')
    .action(async () => show(await secretsInUse('rotate')));
  return webhooks;
}

function show(secrets: readonly string[]): void {
  for (const secret of secrets) console.log(secret);
}

/** Those of the settings, or those that the farm made: then its Redis is asked. */
async function secretsInUse(what: 'read' | 'rotate'): Promise<readonly string[]> {
  const config = loadConfig(process.env);
  if (config.webhooks.secrets.length > 0) {
    if (what === 'read') return config.webhooks.secrets;
    throw new Error(
      'the secrets are in KILN_WEBHOOK_SECRETS: put a new one before the others, and take the old one out a day later',
    );
  }
  const secrets = await withFarmRedis((redis, keys) => new WebhookSecrets(redis, keys)[what]());
  return secrets;
}
