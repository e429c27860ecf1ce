import { writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-port.ts'
import { percentile } from '../numbers.ts'
import { type Place, startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const RUNS = 5
const LOOK_MS = 5
const LIMIT_MS = 30_000
const BAR_MS = 1000

interface Health {
  code: number
  body: { status: string }
}

/** Undefined while nobody listens. */
const healthAt = (port: number): Promise<Health | undefined> =>
  new Promise((resolve) => {
    const asked = request({ hostname: '127.0.0.1', port, path: '/health', agent: false }, (answer) =>
      resolve(healthOf(answer)),
    )
    asked.on('error', () => resolve(undefined))
    asked.end()
  })

const healthOf = async (answer: IncomingMessage): Promise<Health> => ({
  code: answer.statusCode ?? 0,
  body: JSON.parse(await text(answer)),
})

interface Start {
  /** Milliseconds until `GET /health` answered 200, and until it answered `healthy`: nothing is starting any more. */
  answeredMs: number
  healthyMs: number
}

const start = async (
  place: Place,
  file: string,
  env: Record<string, string>,
  portSetting: 'PORT' | 'ALEX_WORKER_PORT',
): Promise<Start> => {
  const port = await freePort()
  const began = performance.now()
  const process = place.node(file, { ...env, [portSetting]: String(port) })
  let answeredMs: number | undefined
  for (;;) {
    const health = await healthAt(port)
    const now = performance.now() - began
    if (health?.code === 200) answeredMs ??= now
    if (answeredMs !== undefined && health?.body.status === 'healthy') {
      await process.stop('SIGTERM')
      return { answeredMs, healthyMs: now }
    }
    if (now > LIMIT_MS) throw new Error(`${file} is not healthy after ${LIMIT_MS} ms`)
    await pause(LOOK_MS)
  }
}

/** Settings of an ALEX that brings its own Redis. */
const settingsIn = (place: Place, home: string): Record<string, string> => ({
  ALEX_HOME: join(place.folder, home),
  ALEX_WORKSPACE_DIR: place.folder,
  ALEX_LOG_FORMAT: 'json',
  OPENAI_BASE_URL: place.modelUrl,
  OPENAI_API_KEY: 'sk-bench',
})

const everything = {
  command: process.execPath,
  args: [fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))],
}

export const startup: Suite = {
  name: 'startup',
  about: 'process start → `GET /health` answers 200',
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    const mcpConfig = join(place.folder, 'three-servers.json')
    await writeFile(
      mcpConfig,
      JSON.stringify({ mcpServers: { a: everything, b: everything, c: everything } }),
    )

    const several = async (what: string, once: () => Promise<Start>, beside = ''): Promise<Figure> => {
      const runs: Start[] = []
      for (let run = 0; run < RUNS; run += 1) runs.push(await once())
      const answered = runs.map(({ answeredMs }) => answeredMs)
      say(`${what}: ${answered.map((ms) => ms.toFixed(0)).join(', ')} ms`)
      return { what, value: percentile(answered, 0.5), unit: 'ms', atMost: BAR_MS, beside }
    }
    const figures: Figure[] = []
    {
      await using service = await startService(place, { workers: 1, slots: 10 })
      figures.push(
        await several('API', () => start(place, 'src/http/main.ts', service.settings, 'PORT')),
        await several('worker', () => start(place, 'workers/main.ts', service.settings, 'ALEX_WORKER_PORT')),
      )
    }
    const plain = settingsIn(place, 'plain')
    const first = await start(place, 'src/main.ts', plain, 'PORT')
    figures.push(
      await several(
        'API, worker and embedded Redis',
        () => start(place, 'src/main.ts', plain, 'PORT'),
        `the first start of all, nothing compiled yet: ${first.answeredMs.toFixed(0)} ms`,
      ),
    )
    const withServers = { ...settingsIn(place, 'mcp'), ALEX_MCP_CONFIG: mcpConfig }
    await start(place, 'src/main.ts', withServers, 'PORT')
    const connected: number[] = []
    const three = await several('the same with three MCP servers', async () => {
      const run = await start(place, 'src/main.ts', withServers, 'PORT')
      connected.push(run.healthyMs)
      return run
    })
    three.beside = `all three connected: ${percentile(connected, 0.5).toFixed(0)} ms`
    return [...figures, three]
  },
}
