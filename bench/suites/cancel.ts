import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { capacityOf, submitAt } from '../load.ts'
import { epochMs, percentile } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const Told = z.object({ what: z.enum(['opened', 'closed']), of: z.string(), at: z.number() })

const IDLE_CANCELS = 200
const LOADED_CANCELS = 150
const BETWEEN_MS = 40
const LOAD = 0.8

export const cancel: Suite = {
  name: 'cancel',
  about: 'POST of the cancel sent → model stream closed at the model server',
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    await using alex = await startService(place, { workers: 2, slots: 16 })
    const { client } = alex
    const opened = new Map<string, () => void>()
    const closedAt = new Map<string, (at: number) => void>()
    const listen = async () => {
      for (;;) {
        const { what, of, at } = Told.parse(JSON.parse(await place.model.line()))
        if (what === 'opened') opened.get(of)?.()
        else closedAt.get(of)?.(at)
      }
    }
    // Ends with the model server.
    listen().catch(() => {})

    const cancelOne = async (name: string): Promise<number> => {
      const open = new Promise<void>((resolve) => void opened.set(name, resolve))
      const closed = new Promise<number>((resolve) => void closedAt.set(name, resolve))
      const { task_id } = await client.submit({ task: name, model: 'endless' })
      await open
      const began = epochMs()
      const [at] = await Promise.all([closed, client.post(`/api/tasks/${task_id}/cancel`)])
      return at - began
    }
    const cancelMany = async (count: number, name: string): Promise<number[]> => {
      const took: Promise<number>[] = []
      for (let i = 0; i < count; i += 1) {
        took.push(cancelOne(`${name} ${i}`))
        await pause(BETWEEN_MS)
      }
      return Promise.all(took)
    }
    await cancelMany(50, 'warm up')
    const idle = await cancelMany(IDLE_CANCELS, 'idle')
    await capacityOf(alex, 500)
    const rate = await capacityOf(alex, 1000)
    say(`${rate.toFixed(0)} tasks/s at most`)
    await pause(3000)
    const seconds = (LOADED_CANCELS * BETWEEN_MS) / 1000
    const [loaded] = await Promise.all([
      cancelMany(LOADED_CANCELS, 'loaded'),
      submitAt(client, LOAD * rate, seconds),
    ])
    const beside = (values: readonly number[]) =>
      `p50 ${percentile(values, 0.5).toFixed(1)} ms of ${values.length}`
    return [
      {
        what: 'cancel p99, idle',
        value: percentile(idle, 0.99),
        unit: 'ms',
        atMost: 50,
        beside: beside(idle),
      },
      {
        what: 'cancel p99, 80 % load',
        value: percentile(loaded, 0.99),
        unit: 'ms',
        atMost: 150,
        beside: beside(loaded),
      },
    ]
  },
}
