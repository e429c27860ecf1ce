import type { Client } from '../client.ts'
import { percentile } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const SESSIONS = 60
const TASKS_OF_A_SESSION = 10
const WARM_UP = 10

/** Submits tasks one after the other to a watched session; ms from each POST to its `task_started`. */
const startsIn = async (client: Client): Promise<number[]> => {
  const { session_id } = await client.submit()
  let started = Promise.withResolvers<number>()
  let ended = Promise.withResolvers<void>()
  const close = await client.events(`/api/sse?session_id=${session_id}`, (name, _, seen) => {
    if (name === 'task_started') started.resolve(seen)
    if (name === 'task_complete') ended.resolve()
  })
  await ended.promise
  const took: number[] = []
  for (let task = 0; task < TASKS_OF_A_SESSION; task += 1) {
    started = Promise.withResolvers<number>()
    ended = Promise.withResolvers<void>()
    const began = performance.now()
    await client.submit({ session_id })
    took.push((await started.promise) - began)
    await ended.promise
  }
  close()
  return took
}

export const start: Suite = {
  name: 'start',
  about: 'POST sent → `task_started` at a client that watches the session, one task at a time',
  async run(): Promise<Figure[]> {
    await using place = await startPlace()
    await using alex = await startService(place, { workers: 2, slots: 16 })
    const took: number[] = []
    for (let session = 0; session < WARM_UP + SESSIONS; session += 1) {
      const ofSession = await startsIn(alex.client)
      if (session >= WARM_UP) took.push(...ofSession)
    }
    const beside = `${took.length} tasks, ${TASKS_OF_A_SESSION} a session`
    return [
      { what: 'start p50', value: percentile(took, 0.5), unit: 'ms', atMost: 8, beside },
      { what: 'start p99', value: percentile(took, 0.99), unit: 'ms', atMost: 25, beside },
    ]
  },
}
