/** A real Prometheus with the configuration of grafana/, only that it finds this API and all goes faster. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { freePort } from './free-port.ts'
import { makeFolder } from './keep.ts'
import { eventually } from './processes.ts'

const GRAFANA = join(import.meta.dirname, '../../grafana')

interface Sample {
  metric: Record<string, string>
  value: [time: number, value: string]
}

interface Alert {
  labels: Record<string, string>
  annotations: Record<string, string>
  state: 'pending' | 'firing'
}

interface Answers {
  query: { result: Sample[] }
  alerts: { alerts: Alert[] }
  rules: { groups: { rules: { name: string; query: string; type: string }[] }[] }
  targets: { activeTargets: { labels: Record<string, string>; health: string; lastError: string }[] }
}

/** `api`: host and port. */
export const startPrometheus = async ({ api }: { api: string }) => {
  const folder = await makeFolder()
  const copy = async (name: string, change: (text: string) => string) =>
    writeFile(join(folder, name), change(await readFile(join(GRAFANA, name), 'utf8')))
  await copy('prometheus.yml', (text) =>
    text.replace('alex-server:8080', api).replaceAll(/(_interval): \d+s/g, '$1: 500ms'),
  )
  await copy('alerts.yml', (text) => text.replaceAll(/^( +for): \d+[sm]$/gm, '$1: 1s'))
  const data = join(folder, 'data')
  await mkdir(data)
  const port = await freePort()
  const server = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  onTestFinished(async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => {
    if (server.exitCode !== null) throw new Error('prometheus ended at once; is it installed?')
    return (await fetch(`${url}/-/ready`).catch(() => null))?.ok ?? false
  })
  const ask = async <K extends keyof Answers>(what: K, parameters: Record<string, string> = {}) => {
    const answer = await fetch(`${url}/api/v1/${what}?${new URLSearchParams(parameters).toString()}`)
    const body = (await answer.json()) as { data: Answers[K]; error?: string }
    if (!answer.ok) throw new Error(`${body.error}: ${JSON.stringify(parameters)}`)
    return body.data
  }
  /** The samples of this moment. */
  const query = async (promql: string): Promise<Sample[]> => (await ask('query', { query: promql })).result
  return {
    query,
    /** Of a query with one sample; NaN when there is none. */
    number: async (promql: string): Promise<number> =>
      Number((await query(promql))[0]?.value[1] ?? Number.NaN),
    alerts: async () => (await ask('alerts')).alerts,
    rules: async () => (await ask('rules')).groups.flatMap(({ rules }) => rules),
    targets: async () => (await ask('targets')).activeTargets,
  }
}
