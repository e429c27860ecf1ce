/** An evaluation: start the service, give a model the cases, check what came of them, print and write the scores. */
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CASES } from './cases.ts'
import { evaluate, totalsOf } from './evaluate.ts'
import type { CaseResult } from './run-case.ts'
import { startScriptedModel } from './scripted-model.ts'
import { startService } from './service.ts'
import { readSettings, type Settings, usageOf } from './settings.ts'
import { tableOf } from './table.ts'

const USAGE_CODE = 2
const BROKEN_CODE = 3
/** Of the scripts, in USD per million tokens: so that costs are counted too. */
const SCRIPT_PRICES = { prices: { solver: { input: 1, output: 4 }, failer: { input: 1, output: 4 } } }

/** A case's subagents take slots beside it. */
const SLOTS_PER_CASE = 4

const say = (text: string) => void process.stderr.write(`${text}\n`)

const run = async (settings: Settings, folder: string): Promise<CaseResult[]> => {
  await using resources = new AsyncDisposableStack()
  const { cases, asked, repeat, concurrency, maxIterations, timeoutS } = settings
  const endpoint = await endpointOf(asked, folder, resources)
  const config = settings.config ?? endpoint.config
  const service = resources.use(
    await startService({
      folder,
      ...(endpoint.baseUrl === undefined ? {} : { baseUrl: endpoint.baseUrl }),
      ...(endpoint.apiKey === undefined ? {} : { apiKey: endpoint.apiKey }),
      ...(config === undefined ? {} : { config }),
      slots: SLOTS_PER_CASE * concurrency,
    }),
  )
  const stopping = new AbortController()
  resources.defer(() => stopping.abort())
  const { signal } = stopping
  const interrupted = ['SIGINT', 'SIGTERM'].map(async (name): Promise<never> => {
    await once(process, name, { signal })
    throw new Error('stopped')
  })
  const { model } = endpoint
  const onResult = ({ case: name, run: nth, success, why_not }: CaseResult) =>
    say(`${success ? 'passed' : 'NOT   '} ${name} ${nth}${success ? '' : `: ${why_not[0]}`}`)
  const evaluated = evaluate(cases, {
    service,
    model,
    repeat,
    concurrency,
    maxIterations,
    timeoutS,
    onResult,
  })
  // Awaited here: what it needs is closed where this function ends.
  return await Promise.race([evaluated, ...interrupted])
}

const endpointOf = async (
  asked: Settings['asked'],
  folder: string,
  resources: AsyncDisposableStack,
): Promise<{ model: string; baseUrl?: string; apiKey?: string; config?: string }> => {
  if (!('script' in asked)) return asked
  const { baseUrl } = resources.use(await startScriptedModel(CASES))
  const config = join(folder, 'config.json')
  await writeFile(config, JSON.stringify(SCRIPT_PRICES))
  return { baseUrl, model: asked.script, config }
}

/** Where to write; throws when a folder to keep holds something already. */
const folderOf = async (keep: string | undefined): Promise<string> => {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'alex-eval-'))
  await mkdir(keep, { recursive: true })
  if ((await readdir(keep)).length > 0) throw new Error(`--keep: ${keep} is not empty`)
  return keep
}

const main = async (): Promise<number> => {
  let settings: Settings | 'help'
  let folder: string
  try {
    settings = readSettings(process.argv.slice(2), process.env, CASES)
    if (settings === 'help') {
      process.stdout.write(usageOf(CASES))
      return 0
    }
    folder = await folderOf(settings.keep)
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n--help tells more.`)
    return USAGE_CODE
  }
  try {
    const startedAt = new Date().toISOString()
    const results = await run(settings, folder)
    const totals = totalsOf(results)
    process.stdout.write(`${tableOf(results, totals)}\n`)
    if (settings.json !== undefined) {
      const { asked, repeat, maxIterations } = settings
      const model = 'script' in asked ? asked.script : asked.model
      const report = { started_at: startedAt, model, repeat, max_iterations: maxIterations, totals, results }
      await writeFile(settings.json, `${JSON.stringify(report, null, 2)}\n`)
    }
    return totals.success_rate < settings.minSuccess ? 1 : 0
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    return BROKEN_CODE
  } finally {
    if (settings.keep === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

process.exitCode = await main()
