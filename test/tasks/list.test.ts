/** Pages of tasks, also while the tasks move between the groups that the pages go through. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { InvalidRequest } from '../../src/errors.ts'
import type { TaskStatus } from '../../src/schemas/task.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { ListTasks } from '../../src/tasks/service.ts'
import { createSessionService } from '../../src/tasks/session-service.ts'
import type { Lease, ListQuery } from '../../src/tasks/store.ts'
import { createTaskService } from '../../src/tasks/task-service.ts'
import { openStore } from '../support/redis.ts'

const setup = () => {
  const open = openStore()
  onTestFinished(() => open[Symbol.asyncDispose]())
  const { store, redis } = open
  const redact = (text: string) => text
  const service = createTaskService({
    ...open,
    defaults: {
      model: 'm',
      agent_preset: 'default',
      tool_preset: 'full',
      max_iterations: 10,
      task_timeout_s: 3600,
    },
    presets: { agent: ['default'], tool: ['full'] },
    redact,
    stopping: new AbortController().signal,
  })
  const tickets = new Map<string, Ticket>()
  const leases = new Map<string, Lease>()
  const keep = (given: readonly Ticket[]) => {
    for (const ticket of given) tickets.set(ticket.task_id, ticket)
  }

  const create = async (options: { id?: string; session?: string; task?: string } = {}): Promise<string> => {
    const task_id = options.id ?? `task-${randomUUID()}`
    const task = options.task ?? 'look around'
    const result = await store.create({
      task_id,
      session_id: options.session ?? `session-${task_id}`,
      title: 't',
      fields: {
        task,
        head: task,
        agent_preset: 'default',
        tool_preset: 'full',
        model: 'm',
        max_iterations: '10',
        timeout_s: '3600',
        priority: '5',
      },
    })
    if (result.verdict !== 'created') throw new Error(result.verdict)
    keep(result.tickets)
    return task_id
  }
  const run = async (id: string) => {
    const lease = { task_id: id, activation: randomUUID() }
    expect(await store.begin(tickets.get(id) as Ticket, lease.activation, 'w')).toHaveProperty('record')
    leases.set(id, lease)
    return id
  }
  const release = async (id: string) => {
    const result = await store.release(leases.get(id) as Lease, 'drained')
    if (result.verdict !== 'ok') throw new Error(result.why)
    keep(result.tickets)
  }
  const end = async (id: string) => {
    await store.cancel(id, 'no', 'user')
    if (leases.has(id)) await store.finish(leases.get(id) as Lease, 1, [], null, { set: {}, add: {} })
    return id
  }
  /** No script brings a task there yet. */
  const wait = async (id: string) => {
    const at = String(await clock())
    await redis.hset(store.key('task', id), { status: 'waiting', status_at: at })
    await redis.zrem(store.key('status', 'pending'), id)
    await redis.zadd(store.key('status', 'waiting'), at, id)
    return id
  }
  const clock = async () => {
    const [seconds, micros] = await redis.time()
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }
  /** The next change has a later time. */
  const tick = async () => {
    const before = await clock()
    while ((await clock()) === before);
  }
  /** The ids of each page, following the cursors; `between` may change things before the next page. */
  const pages = async (query: ListTasks, between: () => Promise<void> = async () => {}) => {
    const out: string[][] = []
    let cursor: string | undefined
    do {
      const page = await service.list({ ...query, ...(cursor === undefined ? {} : { cursor }) })
      expect(page.items.length).toBeLessThanOrEqual(query.limit)
      out.push(page.items.map(({ task_id }) => task_id))
      cursor = page.next
      if (cursor !== undefined) await between()
    } while (cursor !== undefined)
    return out
  }
  return { ...open, service, redact, create, run, release, end, wait, tick, pages, leases }
}

/** Two of each group; expected in the order of the list. */
const everyGroup = async (t: ReturnType<typeof setup>) => {
  const made: Record<string, string[]> = { running: [], waiting: [], pending: [], ended: [] }
  const put = async (group: string, id: string) => {
    made[group]?.unshift(id)
    await t.tick()
  }
  for (let i = 0; i < 2; i++) {
    await put('ended', await t.end(await t.create()))
    await put('running', await t.run(await t.create()))
    await put('pending', await t.create())
    await put('waiting', await t.wait(await t.create()))
    await put('ended', await t.end(await t.run(await t.create())))
  }
  return made
}

test('running come first, then waiting, pending and ended, the latest first in each', async () => {
  const t = setup()
  const { running, waiting, pending, ended } = await everyGroup(t)
  const expected = [running, waiting, pending, ended].flat()
  expect(await t.pages({ limit: 100 })).toEqual([expected])
  expect((await t.service.list({ limit: 1 })).total).toBe(10)
})

test('pages of any size together are the whole list, each task once, and none is empty', async () => {
  const t = setup()
  const expected = Object.values(await everyGroup(t)).flat()
  for (let limit = 1; limit <= expected.length + 1; limit++) {
    const pages = await t.pages({ limit })
    expect(pages.flat()).toEqual(expected)
    expect(pages).toHaveLength(Math.ceil(expected.length / limit))
  }
})

test('tasks of the same millisecond are each in one page', async () => {
  const t = setup()
  const ids = await Promise.all(Array.from({ length: 20 }, () => t.create()))
  await t.redis.zadd(t.store.key('status', 'pending'), ...ids.flatMap((id) => ['1000', id]))
  const pages = await t.pages({ limit: 3 })
  expect(pages.flat()).toEqual(ids.toSorted().toReversed())
})

test('without tasks there is one empty page', async () => {
  const { service } = setup()
  expect(await service.list({ limit: 5 })).toEqual({ items: [], total: 0 })
})

test('only tasks of the statuses asked for are listed and counted', async () => {
  const t = setup()
  const { running, ended } = await everyGroup(t)
  const status: TaskStatus[] = ['running', 'cancelled']
  expect((await t.pages({ limit: 1, status })).flat()).toEqual([running, ended].flat())
  expect((await t.service.list({ limit: 1, status })).total).toBe(6)
  expect(await t.pages({ limit: 1, status: ['failed'] })).toEqual([[]])
})

test('the tasks of one session are listed in the same order, with filters', async () => {
  const t = setup()
  await everyGroup(t)
  const first = await t.create({ session: 's' })
  await t.tick()
  const second = await t.create({ session: 's' })
  await t.tick()
  const third = await t.create({ session: 's' })
  await t.run(first)
  for (const limit of [1, 2, 3, 4])
    expect((await t.pages({ limit, session_id: 's' })).flat()).toEqual([first, third, second])
  expect((await t.pages({ limit: 1, session_id: 's', status: ['pending'] })).flat()).toEqual([third, second])
  expect((await t.service.list({ limit: 1, session_id: 's' })).total).toBe(3)
  expect((await t.service.list({ limit: 1, session_id: 'nobody' })).items).toEqual([])
})

test('a text is found in the task or its id, whatever the case of its letters', async () => {
  const t = setup()
  const words = await t.create({ task: 'Review the FOO module' })
  const id = await t.create({ id: 'task-food' })
  const umlaut = await t.create({ task: 'Überblick schaffen' })
  await t.create({ task: 'a.c' })
  const found = async (q: string) => (await t.pages({ limit: 1, q })).flat().toSorted()
  expect(await found('foo')).toEqual([words, id].toSorted())
  expect(await found('FoO M')).toEqual([words])
  expect(await found('Überblick SCHAFFEN')).toEqual([umlaut])
  expect(await found('a%.c')).toEqual([])
  expect(await found('f.o')).toEqual([])
  expect(await t.service.list({ limit: 5, q: 'foo' })).not.toHaveProperty('total')
})

test('a text search looks at a bounded number of records a call and goes on from there', async () => {
  const t = setup()
  const wanted: string[] = []
  for (let i = 0; i < 30; i++) {
    const id = await t.create({ task: i % 7 === 0 ? 'needle' : 'hay' })
    if (i % 7 === 0) wanted.push(id)
    if (i % 3 === 0) await t.run(id)
    if (i % 4 === 0) await t.end(id)
  }
  const query: ListQuery = { limit: 2, cursor: '', statuses: [], sessionId: '', text: 'needle', budget: 3 }
  const found: string[] = []
  let calls = 0
  for (let cursor: string | undefined = ''; cursor !== undefined; calls++) {
    const page = await t.store.list({ ...query, cursor })
    found.push(...page.records.map(({ id }) => id))
    cursor = page.next
  }
  expect(found.toSorted()).toEqual(wanted.toSorted())
  expect(calls).toBeGreaterThanOrEqual(10)
})

test('what begins to run while the cursor is among the pending is not skipped, though nothing is left there', async () => {
  const t = setup()
  const ids = [await t.create(), await t.create(), await t.create(), await t.create()]
  await t.end(ids[3] as string)
  await t.tick()
  let moved = false
  const pages = await t.pages({ limit: 1 }, async () => {
    if (!moved) for (const id of ids.slice(0, 3)) await t.run(id)
    moved = true
  })
  expect(new Set(pages.flat())).toEqual(new Set(ids))
})

test('what begins to run and is released again between two pages is not skipped', async () => {
  const t = setup()
  const ids: string[] = []
  for (let i = 0; i < 4; i++) {
    ids.push(await t.create())
    await t.tick()
  }
  let moved = false
  const pages = await t.pages({ limit: 1 }, async () => {
    if (!moved) await t.release(await t.run(ids[0] as string))
    moved = true
  })
  expect(new Set(pages.flat())).toEqual(new Set(ids))
})

test('what is released and begins again while the cursor is among the running is not skipped', async () => {
  const t = setup()
  const ids: string[] = []
  for (let i = 0; i < 4; i++) {
    ids.push(await t.run(await t.create()))
    await t.tick()
  }
  let moved = false
  const pages = await t.pages({ limit: 1, status: ['running'] }, async () => {
    if (!moved) {
      await t.release(ids[0] as string)
      await t.run(ids[0] as string)
    }
    moved = true
  })
  expect(new Set(pages.flat())).toEqual(new Set(ids))
})

test('a text search that meets many moved tasks still finds those among them', async () => {
  const t = setup()
  const ids: string[] = []
  for (let i = 0; i < 8; i++) ids.push(await t.create({ task: i === 0 ? 'needle' : 'hay' }))
  const first = await t.create({ task: 'needle' })
  await t.tick()
  let moved = false
  const pages = await t.pages({ limit: 1, q: 'needle' }, async () => {
    if (!moved) for (const id of ids.toReversed()) await t.run(id)
    moved = true
  })
  expect(new Set(pages.flat())).toEqual(new Set([ids[0], first]))
})

test.for([1, 2, 3, 4, 5, 6, 7, 8])(
  'no task is ever skipped while tasks move between the pages (seed %i)',
  async (seed) => {
    const t = setup()
    const random = randomNumbers(seed)
    const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]
    const status = new Map<string, 'pending' | 'running' | 'ended'>()
    const inStatus = (wanted: string) => [...status].filter(([, now]) => now === wanted).map(([id]) => id)
    const moves = {
      run: async () => {
        const id = pick(inStatus('pending'))
        if (id !== undefined) status.set(await t.run(id), 'running')
      },
      release: async () => {
        const id = pick(inStatus('running'))
        if (id === undefined) return
        await t.release(id)
        status.set(id, 'pending')
      },
      end: async () => {
        const id = pick([...inStatus('running'), ...inStatus('pending')])
        if (id === undefined) return
        // A lease of an earlier activation is void; cancelling a pending task needs none.
        if (status.get(id) === 'pending') t.leases.delete(id)
        status.set(await t.end(id), 'ended')
      },
      create: async () => {
        status.set(await t.create(), 'pending')
      },
    }
    for (let i = 0; i < 40; i++) await moves.create()
    for (let i = 0; i < 25; i++) await pick([moves.run, moves.run, moves.end])?.()
    const before = [...status.keys()]
    let left = 80
    const limit = 1 + Math.floor(random() * 4)
    const pages = await t.pages({ limit }, async () => {
      for (let i = Math.floor(random() * 5); i > 0 && left > 0; i--, left--)
        await pick([moves.run, moves.run, moves.release, moves.end, moves.create])?.()
    })
    const seen = new Set(pages.flat())
    expect(before.filter((id) => !seen.has(id))).toEqual([])
  },
)

test('a cursor that is none of ours is refused', async () => {
  const t = setup()
  await t.create()
  await t.create()
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sessions = await createSessionService(t).list({ limit: 1 })
  const foreign = [
    'x',
    '',
    encode('1'),
    encode({}),
    encode({ group: 0, seen: [] }),
    encode({ group: 5, seen: [] }),
    encode({ group: 1, seen: [], more: 1 }),
    encode({ group: 1, seen: [['a', 1]] }),
    sessions.next,
  ]
  for (const cursor of foreign) {
    const answer = t.service.list({ limit: 1, cursor: cursor as string })
    await expect(answer).rejects.toBeInstanceOf(InvalidRequest)
    await expect(answer).rejects.toMatchObject({ code: 'invalid_cursor' })
  }
})

test('a made-up cursor of the right shape breaks nothing', async () => {
  const t = setup()
  await t.run(await t.create())
  await t.create()
  for (let group = 1; group <= 4; group++)
    for (const rest of [{ seen: [] }, { seen: [], place: [1e308, 'x'] }, { seen: [[-1e308, '']] }]) {
      const cursor = Buffer.from(JSON.stringify({ group, ...rest })).toString('base64url')
      expect(await t.service.list({ limit: 1, cursor })).toHaveProperty('total', 2)
    }
})

/** Repeatable random numbers, 0–1 (mulberry32). */
function randomNumbers(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
