import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { cpuMs, percentile, residentMb } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

/** Events a second in all: with n clients, each of a session of its own, each is sent RATE / n. */
const RATE = 1000
const PHASES = [
  { clients: 1, seconds: 8, p99: 15 },
  { clients: 1000, seconds: 8, p99: 50 },
  // Longer than the 15 s in which every stream has its heartbeat and all are compared with their logs once.
  { clients: 10_000, seconds: 16, p99: 250 },
]
const KB_A_CLIENT = 25

const Report = z.object({ latencies: z.array(z.number()), lost: z.number() })
const Appended = z.object({ appended: z.number(), rate: z.number() })

export const events: Suite = {
  name: 'events',
  about: `append → SSE client, ${RATE} events/s in all on one API process`,
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    await using alex = await startService(place, { workers: 0, slots: 1 })
    const { api } = alex.pids
    const appender = place.node('bench/appender.ts', { REDIS_URL: place.socket, PREFIX: alex.prefix })
    const watchers = place.node('bench/watchers.ts', { API_URL: alex.url })
    const figures: Figure[] = []
    const resident: number[] = []
    for (const { clients, seconds, p99 } of PHASES) {
      await appender.ask(`make ${clients}`)
      const began = performance.now()
      await watchers.ask(`watch ${clients}`)
      const opening = (performance.now() - began) / 1000
      // What was opened last is still reading its log.
      await pause(2000)
      const before = await cpuMs(api)
      const { appended, rate } = Appended.parse(
        JSON.parse(await appender.ask(`append ${clients} ${RATE} ${seconds}`)),
      )
      const cpu = (await cpuMs(api)) - before
      await pause(500)
      const { latencies, lost } = Report.parse(JSON.parse(await watchers.ask('report')))
      if (latencies.length !== appended || lost > 0)
        throw new Error(`${latencies.length} of ${appended} events arrived, ${lost} clients were lost`)
      resident.push(await residentMb(api))
      const share = (of: number) => percentile(latencies, of).toFixed(1)
      say(
        `${clients} clients: opened in ${opening.toFixed(1)} s, ${rate.toFixed(0)} events/s, p50 ${share(0.5)} ms, ` +
          `longest ${share(1)} ms, API ${(cpu / seconds / 10).toFixed(0)} % of a core and ${resident.at(-1)?.toFixed(0)} MB`,
      )
      figures.push({
        what: `event → client, ${clients} clients, p99`,
        value: percentile(latencies, 0.99),
        unit: 'ms',
        atMost: p99,
        beside: `p50 ${share(0.5)} ms, ${(cpu / appended).toFixed(2)} ms CPU of the API an event`,
      })
    }
    const [alone = Number.NaN] = resident
    const most = PHASES.at(-1)?.clients ?? 0
    return [
      ...figures,
      {
        what: 'memory of a client',
        value: (((resident.at(-1) ?? Number.NaN) - alone) * 1024) / (most - 1),
        unit: 'kB',
        atMost: KB_A_CLIENT,
        beside: `API ${alone.toFixed(0)} MB with one, ${resident.at(-1)?.toFixed(0)} MB with ${most}`,
      },
    ]
  },
}
