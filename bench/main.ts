/**
 * Measures the service: `npm run bench [-- NAME …] [--json FILE] [--list]`. Without a name all of it runs, in some
 * ten minutes. Exits with 1 when a bar is not met. Nothing else should run on the machine meanwhile.
 */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { type Figure, isMet, type Suite, table } from './report.ts'
import { cancel } from './suites/cancel.ts'
import { events } from './suites/events.ts'
import { flatness } from './suites/flatness.ts'
import { idle } from './suites/idle.ts'
import { iteration } from './suites/iteration.ts'
import { resume } from './suites/resume.ts'
import { scaleOut } from './suites/scale-out.ts'
import { start } from './suites/start.ts'
import { startup } from './suites/startup.ts'
import { submit } from './suites/submit.ts'
import { throughput } from './suites/throughput.ts'
import { tokens } from './suites/tokens.ts'

const SUITES: readonly Suite[] = [
  throughput,
  iteration,
  submit,
  start,
  events,
  tokens,
  cancel,
  resume,
  scaleOut,
  startup,
  idle,
  flatness,
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, list: { type: 'boolean', default: false } },
})
const print = (text: string) => process.stdout.write(`${text}\n`)

const unknown = positionals.filter((name) => !SUITES.some((suite) => suite.name === name))
if (values.list || unknown.length > 0) {
  for (const { name, about } of SUITES) print(`${name.padEnd(12)} ${about}`)
  if (unknown.length > 0) process.stderr.write(`There is no benchmark ${unknown.join(', ')}.\n`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memory_gb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  at: new Date().toISOString(),
}
print(`${machine.cores} × ${machine.cpu}, ${machine.memory_gb} GB, Node ${machine.node}\n`)

const chosen = positionals.length === 0 ? SUITES : SUITES.filter(({ name }) => positionals.includes(name))
const results: { name: string; seconds: number; figures: Figure[] }[] = []
for (const { name, about, run } of chosen) {
  print(`## ${name}: ${about}`)
  const began = performance.now()
  const figures = await run((line) => print(`   ${line}`))
  const seconds = Math.round((performance.now() - began) / 1000)
  print(`${table(figures)}\n(${seconds} s)\n`)
  results.push({ name, seconds, figures })
}
if (values.json !== undefined)
  await writeFile(values.json, `${JSON.stringify({ machine, results }, null, 2)}\n`)
const missed = results.flatMap(({ figures }) => figures.filter((figure) => !isMet(figure)))
if (missed.length > 0) {
  print(`Not met: ${missed.map(({ what }) => what).join('; ')}`)
  process.exitCode = 1
}
