import { z } from 'zod'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'

const Cost = z.object({
  iterations: z.number(),
  completed: z.number(),
  cpuMs: z.number(),
  commands: z.number(),
  roundTrips: z.number(),
})

export const iteration: Suite = {
  name: 'iteration',
  about: 'tasks of ten iterations, an instant model in the process, a tool that does nothing',
  async run(): Promise<Figure[]> {
    await using place = await startPlace()
    const measure = async (tasks: number, slots: number) => {
      const worker = place.node('bench/iteration-worker.ts', { REDIS_URL: place.socket }, [
        String(tasks),
        String(slots),
      ])
      const cost = Cost.parse(JSON.parse(await worker.line()))
      if (cost.completed !== tasks) throw new Error(`${cost.completed} of ${tasks} tasks completed`)
      return cost
    }
    // One at a time, so that no two tasks share a round trip.
    const alone = await measure(30, 1)
    const many = await measure(300, 16)
    const stats = await place.redis.info('commandstats')
    const [, calls = '0', usec = '0'] = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(stats) ?? []
    const scripts = Number(calls) / many.iterations
    const scriptMs = Number(usec) / 1000 / many.iterations
    return [
      {
        what: 'CPU of the worker an iteration',
        value: many.cpuMs,
        unit: 'ms',
        atMost: 2,
        beside: `${many.iterations} iterations, 16 tasks at once`,
      },
      {
        what: 'round trips an iteration',
        value: alone.roundTrips,
        unit: '',
        atMost: 3,
        beside: `${alone.commands.toFixed(2)} commands; begin, end and ticket included`,
      },
      {
        what: 'Redis an iteration',
        value: scriptMs,
        unit: 'ms',
        beside: `${scripts.toFixed(2)} scripts`,
      },
    ]
  },
}
