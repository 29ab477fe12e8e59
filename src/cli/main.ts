#!/usr/bin/env node
/** The `kiln` command. */
import { argv } from 'node:process';
import { Command } from 'commander';

/**
 * In the order of the help. A command is loaded when it is asked for: some bring half a second of packages with them,
 * for which `kiln jobs` need not wait.
 */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./commands/up.ts')).upCommand(),
  demo: async () => (await import('./commands/demo.ts')).demoCommand(),
  submit: async () => (await import('./commands/submit.ts')).submitCommand(),
  bulk: async () => (await import('./commands/bulk.ts')).bulkCommand(),
  jobs: async () => (await import('./commands/farm.ts')).jobsCommand(),
  cancel: async () => (await import('./commands/farm.ts')).cancelCommand(),
  workers: async () => (await import('./commands/farm.ts')).workersCommand(),
  models: async () => (await import('./commands/models.ts')).modelsCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  keys: async () => (await import('./commands/keys.ts')).keysCommand(),
  webhooks: async () => (await import('./commands/webhooks.ts')).webhooksCommand(),
  api: async () => (await import('./commands/process.ts')).processCommand('api'),
  render: async () => (await import('./commands/process.ts')).processCommand('render'),
  courier: async () => (await import('./commands/process.ts')).processCommand('courier'),
};

const program = new Command('kiln').description('A queue-based batch render farm for Stable Diffusion');
const asked = COMMANDS[argv[2] ?? ''];
// All of them for the help, and to say which one was meant.
for (const load of asked === undefined ? Object.values(COMMANDS) : [asked]) program.addCommand(await load());

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.error(`kiln: ${error.message}`);
  process.exitCode = 1;
}
