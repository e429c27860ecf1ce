/** Whether a store full of finished tasks answers as fast as one with next to none. */
import type { Client } from './client.ts'
import { percentile } from './numbers.ts'
import type { Place } from './place.ts'
import type { Figure } from './report.ts'
import { makeTemplate, seedTasks } from './seed.ts'
import { startService } from './service.ts'

/** Enough for full pages of everything that is asked for. */
const FEW = 5000
const ROUNDS = 6
const BAR = 2

interface Ask {
  what: string
  of: (client: Client) => () => Promise<unknown>
  /** Times in each round; the shorter it takes, the more a few disturbed ones would count. */
  times: number
}

const reading = (what: string, path: string): Ask => ({
  what,
  of: (client) => () => client.get(path),
  times: 50,
})

const ASKS: readonly Ask[] = [
  reading('list', '/api/tasks?limit=50'),
  reading('list of a status', '/api/tasks?limit=50&status=completed'),
  reading('list of a session', '/api/tasks?limit=50&session_id=seeded-7'),
  reading('list with a text', '/api/tasks?limit=50&q=works'),
  { what: 'a page far down', of: (client) => () => client.get(deepPages.get(client) ?? ''), times: 50 },
  reading('list of sessions', '/api/sessions?limit=20'),
  { ...reading('stats', '/api/tasks/stats'), times: 200 },
  { what: 'submit', of: (client) => () => client.submit(), times: 200 },
]
const deepPages = new Map<Client, string>()
const DEEP = 4000

/** The page that begins after so many tasks. */
const pageAfter = async (client: Client, tasks: number): Promise<string> => {
  let path = '/api/tasks?limit=1000'
  for (let seen = 0; seen < tasks; seen += 1000) {
    const answer = await fetch(`${client.url}${path}`)
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    await answer.arrayBuffer()
    if (next === undefined) throw new Error(`no page after ${seen} tasks`)
    path = new URL(next, client.url).pathname + new URL(next, client.url).search
  }
  return path.replace('limit=1000', 'limit=50')
}

const round = async (ask: () => Promise<unknown>, times: number, into: number[]) => {
  for (let n = 0; n < times; n += 1) {
    const began = performance.now()
    await ask()
    into.push(performance.now() - began)
  }
}

/** Nobody works meanwhile: the API alone is asked, in turn the one with few tasks and the one with many. */
export const measureFlatness = async (
  place: Place,
  many: number,
  say: (line: string) => void,
): Promise<Figure[]> => {
  const template = await makeTemplate(place)
  await using few = await startService(place, { workers: 0, slots: 1 })
  await using full = await startService(place, { workers: 0, slots: 1 })
  await seedTasks(place, { prefix: few.prefix, template, tasks: FEW })
  const memory = async () => Number(/^used_memory:(\d+)/m.exec(await place.redis.info('memory'))?.[1])
  const empty = await memory()
  const began = performance.now()
  await seedTasks(place, { prefix: full.prefix, template, tasks: many })
  const seconds = (performance.now() - began) / 1000
  const each = ((await memory()) - empty) / many
  say(`${many} tasks seeded in ${seconds.toFixed(0)} s`)
  for (const { client } of [few, full]) deepPages.set(client, await pageAfter(client, DEEP))

  const figures: Figure[] = []
  for (const { what, of, times } of ASKS) {
    const [ofFew, ofFull]: [number[], number[]] = [[], []]
    const [askFew, askFull] = [of(few.client), of(full.client)]
    await round(askFew, times, [])
    await round(askFull, times, [])
    for (let n = 0; n < ROUNDS; n += 1) {
      await round(askFew, times, ofFew)
      await round(askFull, times, ofFull)
    }
    const [low, high] = [percentile(ofFew, 0.99), percentile(ofFull, 0.99)]
    figures.push({
      what: `${what}, p99 with ${many} tasks ÷ with ${FEW}`,
      value: high / low,
      unit: '×',
      atMost: BAR,
      beside: `p99 ${high.toFixed(1)} ÷ ${low.toFixed(1)}, p50 ${percentile(ofFull, 0.5).toFixed(1)} ÷ ${percentile(ofFew, 0.5).toFixed(1)} ms`,
    })
  }
  return [...figures, { what: 'Redis memory of a finished task', value: each / 1024, unit: 'kB' }]
}
