/** `doctor`: one line for each part that is missing or set wrongly, and what to do about it. */
import { type LoadedConfig, loadConfigOrExit, secretsOf } from '../config.ts'
import { createRedactor } from '../redact.ts'
import { checkWorkerClocks } from './doctor/clocks.ts'
import type { Finding } from './doctor/finding.ts'
import { checkMachine } from './doctor/machine.ts'
import { checkRedis } from './doctor/redis.ts'
import { EXIT } from './exit.ts'
import { ROOT } from './instance.ts'
import { writeJson, writeLines } from './output.ts'
import { localRemote } from './remote.ts'

/** 0 unless there is a problem, which is 1; hints alone are none. */
export const doctor = async ({ json = false }: { json?: boolean }): Promise<number> => {
  const findings = await examine(loadConfigOrExit({ argv: [], cwd: ROOT }))
  const ok = findings.every(({ level }) => level === 'hint')
  if (json) writeJson({ ok, findings })
  else writeLines(findings.length === 0 ? ['nothing is missing'] : linesOf(findings))
  return ok ? EXIT.done : EXIT.failed
}

/** Problems first. Looks at this machine, at a Redis that is configured, and through the API at the workers. */
export const examine = async (loaded: LoadedConfig): Promise<Finding[]> => {
  const { config } = loaded
  const redact = createRedactor(secretsOf(config))
  const found = await Promise.all([
    checkRedis(config),
    checkWorkerClocks(localRemote(config).client),
    checkMachine(loaded, ROOT),
  ])
  return found
    .flat()
    .map((finding) => ({ ...finding, message: redact(finding.message) }))
    .toSorted((a, b) => Number(a.level === 'hint') - Number(b.level === 'hint'))
}

export const linesOf = (findings: readonly Finding[]): string[] =>
  findings.map(
    ({ part, level, message, remedy }) =>
      `${level === 'problem' ? '! ' : '  '}${part}: ${message} → ${remedy}`,
  )
