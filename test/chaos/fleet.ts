/** The service under test: API and worker processes, each behind a proxy of its own, started again when they end. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import type { WorkerLife } from './history.ts'
import type { ModelServer } from './model-server.ts'
import { CONFIG } from './prices.ts'
import { type FleetProcess, startProcess } from './process.ts'
import { type Proxy, startProxy } from './proxy.ts'

interface Options {
  folder: string
  workspace: string
  redisSocket: string
  prefix: string
  model: ModelServer
  workers: number
  slots: number
}

export interface Member {
  proxy: Proxy
  /** The process of now; another one after each restart. */
  current: () => FleetProcess
  life?: () => WorkerLife
}

const APIS = 2
/** What a supervisor would wait before it starts again what died. */
const RESTART_MS = 100

export const startFleet = async (options: Options) => {
  const { folder, workspace, redisSocket, prefix, model } = options
  const logFolder = join(folder, 'logs')
  const home = join(folder, 'home')
  await mkdir(logFolder, { recursive: true })
  await mkdir(home, { recursive: true })
  const config = join(folder, 'config.json')
  await writeFile(config, JSON.stringify(CONFIG))
  const lives: WorkerLife[] = []
  let stopping = false

  const common = (proxy: Proxy) => ({
    HOME: home,
    ALEX_HOME: join(home, 'alex'),
    ALEX_CONFIG: config,
    ALEX_LOG_FORMAT: 'json',
    ALEX_REDIS_PREFIX: prefix,
    ALEX_WORKSPACE_DIR: workspace,
    REDIS_URL: proxy.url,
  })

  const member = async (name: string, begin: (proxy: Proxy, life: number) => [FleetProcess, WorkerLife?]) => {
    const proxy = await startProxy(redisSocket)
    let count = 0
    let [now, life] = begin(proxy, count)
    const keep = async () => {
      for (;;) {
        const end = await now.ended
        if (life) Object.assign(life, { endedAt: Date.now(), end })
        if (stopping) return
        await pause(RESTART_MS)
        if (stopping) return
        count += 1
        ;[now, life] = begin(proxy, count)
      }
    }
    const kept = keep()
    return { name, proxy, kept, current: () => now, life: () => life as WorkerLife }
  }

  const startWorker =
    (index: number) =>
    (proxy: Proxy, count: number): [FleetProcess, WorkerLife] => {
      const name = `w${index}.${count}`
      const life: WorkerLife = { name, pid: 0, slots: options.slots, startedAt: Date.now() }
      lives.push(life)
      const started = startProcess({
        name,
        script: 'workers/main.ts',
        cwd: workspace,
        logFolder,
        env: {
          ...common(proxy),
          OPENAI_BASE_URL: model.urlFor(name),
          OPENAI_API_KEY: 'sk-chaos',
          ALEX_WORKER_CONCURRENCY: String(options.slots),
          // With and without bubblewrap: both must hold the same rules.
          ALEX_SANDBOX: index % 2 === 0 ? 'auto' : 'off',
          ALEX_SANDBOX_NETWORK: 'full',
          ALEX_SHUTDOWN_GRACE_S: '3',
        },
        onLog(line) {
          if (line['msg'] === '[DI] worker started') {
            life.readyAt = Date.now()
            life.worker_id = String(line['worker'])
          }
        },
      })
      life.pid = started.pid
      return [started, life]
    }

  const ports = await Promise.all(Array.from({ length: APIS }, freePort))
  const apis = await Promise.all(
    ports.map((port, index) =>
      member(`api${index}`, (proxy, count) => [
        startProcess({
          name: `api${index}.${count}`,
          script: 'src/http/main.ts',
          cwd: workspace,
          logFolder,
          env: { ...common(proxy), PORT: String(port) },
        }),
      ]),
    ),
  )
  const workers = await Promise.all(
    Array.from({ length: options.workers }, (_, index) => member(`w${index}`, startWorker(index))),
  )

  return {
    apis,
    workers,
    lives,
    urls: ports.map((port) => `http://127.0.0.1:${port}`),
    /** Asks all to leave, kills what has not after `graceMs`; gives the names of those that had to be killed. */
    async stop(graceMs = 15_000): Promise<string[]> {
      stopping = true
      const stubborn: string[] = []
      await Promise.all(
        [...workers, ...apis].map(async ({ name, current, kept }) => {
          current().signal('SIGCONT')
          current().signal('SIGTERM')
          const timer = setTimeout(() => {
            stubborn.push(name)
            current().signal('SIGKILL')
          }, graceMs)
          await kept
          clearTimeout(timer)
        }),
      )
      for (const { proxy } of [...workers, ...apis]) await proxy[Symbol.asyncDispose]()
      return stubborn
    },
  }
}
export type Fleet = Awaited<ReturnType<typeof startFleet>>
