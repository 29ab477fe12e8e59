/** Takes the lines that tell what the setup found and does. */
export interface SetupReport {
  readonly ok: (topic: string, text: string) => void;
  readonly work: (topic: string, text: string) => void;
}

export function findOrInstallRedis(report: SetupReport, environment: NodeJS.ProcessEnv): void;
