#!/usr/bin/env node
/** The `kiln` command. */
import { Command } from 'commander';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { cancelCommand, jobsCommand, workersCommand } from './commands/farm.ts';
import { keysCommand } from './commands/keys.ts';
import { modelsCommand } from './commands/models.ts';
import { processCommands } from './commands/process.ts';
import { submitCommand } from './commands/submit.ts';
import { upCommand } from './commands/up.ts';
import { webhooksCommand } from './commands/webhooks.ts';

const program = new Command('kiln').description('A queue-based batch render farm for Stable Diffusion');
for (const command of [
  upCommand(),
  demoCommand(),
  submitCommand(),
  jobsCommand(),
  cancelCommand(),
  workersCommand(),
  modelsCommand(),
  doctorCommand(),
  keysCommand(),
  webhooksCommand(),
  ...processCommands(),
]) {
  program.addCommand(command);
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.error(`kiln: ${error.message}`);
  process.exitCode = 1;
}
