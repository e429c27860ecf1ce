/** `doctor`: one line for each part that is missing or set wrongly, and what to do about it. */
import { parseArgs } from 'node:util'
import { type LoadedConfig, loadConfigOrExit, secretsOf } from '../config.ts'
import { createRedactor } from '../redact.ts'
import { checkWorkerClocks } from './doctor/clocks.ts'
import type { Finding } from './doctor/finding.ts'
import { checkMachine } from './doctor/machine.ts'
import { checkRedis } from './doctor/redis.ts'
import { ROOT } from './instance.ts'
import { createServer } from './server.ts'

/** `--json`: `{ok, findings}`. 0 unless there is a problem, which is 1; hints alone are none. */
export const doctor = async (args: string[]): Promise<number> => {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' } } })
  const findings = await examine(loadConfigOrExit({ argv: [], cwd: ROOT }))
  const ok = findings.every(({ level }) => level === 'hint')
  if (values.json) process.stdout.write(`${JSON.stringify({ ok, findings }, null, 2)}\n`)
  else process.stdout.write(`${linesOf(findings).join('\n') || 'nothing is missing'}\n`)
  return ok ? 0 : 1
}

/** Problems first. Looks at this machine, at a Redis that is configured, and through the API at the workers. */
export const examine = async (loaded: LoadedConfig): Promise<Finding[]> => {
  const { config } = loaded
  const redact = createRedactor(secretsOf(config))
  const found = await Promise.all([
    checkRedis(config),
    checkWorkerClocks(createServer(config)),
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
