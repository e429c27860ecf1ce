/** The feed below the streams: what it listens to, how far it reads, and when it stops. */
import { expect, test, vi } from 'vitest'
import type { Event } from '../../src/schemas/event.ts'
import type { FollowOptions } from '../../src/tasks/feed.ts'
import { type OpenStore, openStore } from '../support/redis.ts'
import { large, logIds, newSession, runTask, step } from '../support/sse.ts'

/** Looks often, so that what is waited for is met soon after. */
const SOON = { timeout: 5000, interval: 5 }

const follow = (open: OpenStore, sessionId: string, options: Partial<FollowOptions> = {}) => {
  const ending = new AbortController()
  const events: Event[] = []
  const done = open.feed.follow({
    sessionId,
    after: '0-0',
    signal: ending.signal,
    room: async () => {},
    onEvent: (event) => void events.push(event),
    ...options,
  })
  return {
    events,
    ids: () => events.map(({ id }) => id),
    done,
    until: (id: string) => vi.waitUntil(() => events.some((event) => event.id === id), SOON),
    stop: () => {
      ending.abort()
      return done
    },
  }
}

const subscribers = async (open: OpenStore, sessionId: string) => {
  const channel = open.store.key('events', sessionId)
  return Number((await open.redis.pubsub('NUMSUB', channel))[1])
}

test('a session is listened to once, however many follow it, and no longer than anybody does', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  const followers = [follow(open, session), follow(open, session)]
  const [id] = await task.append(step(1))
  await Promise.all(followers.map((follower) => follower.until(id as string)))
  expect(await subscribers(open, session)).toBe(1)
  await followers[0]?.stop()
  const [next] = await task.append(step(2))
  await followers[1]?.until(next as string)
  expect(await subscribers(open, session)).toBe(1)
  expect(followers[0]?.ids()).not.toContain(next)
  await followers[1]?.stop()
  await vi.waitUntil(async () => (await subscribers(open, session)) === 0, SOON)
})

test('the last follower that leaves as another comes takes nothing away from it', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  for (let i = 1; i <= 20; i++) {
    const leaving = follow(open, session)
    await vi.waitUntil(() => leaving.events.length > 0, SOON)
    const left = leaving.stop()
    const coming = follow(open, session)
    await left
    await vi.waitUntil(() => coming.events.length > 0, SOON)
    const [id] = await task.append(step(i))
    await coming.until(id as string)
    expect(await subscribers(open, session)).toBe(1)
    await coming.stop()
  }
})

test('the log is read no further than there is room', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  for (let i = 0; i < 10; i++) await task.append(...Array.from({ length: 100 }, () => step(i)))
  let places = 5
  let more = () => {}
  const reader = follow(open, session, {
    room: async () => {
      while (places === 0)
        await new Promise<void>((resolve) => {
          more = resolve
        })
      places -= 1
    },
  })
  await vi.waitUntil(() => places === 0, SOON)
  expect(reader.events).toHaveLength(5)
  await task.append(large(70_000), step(1))
  expect(reader.events).toHaveLength(5)
  places = Number.POSITIVE_INFINITY
  more()
  const ids = await logIds(open.store, session)
  await reader.until(ids.at(-1) as string)
  expect(reader.ids()).toEqual(ids)
  await reader.stop()
})

test('a live message that cannot be read is taken from the log', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  const reader = follow(open, session)
  await vi.waitUntil(() => reader.events.length === 2, SOON)
  const channel = open.store.key('events', session)
  for (const text of [
    '',
    '{',
    '[]',
    '{"prev":"0-0","id":"99999999999999-0","type":"unheard_of","data":"{}"}',
  ])
    await open.redis.publish(channel, text)
  const [id] = await task.append(step(1))
  await reader.until(id as string)
  expect(reader.ids()).toEqual(await logIds(open.store, session))
  await reader.stop()
})

/** A follower that reads the log no further until `goOn`; `heard` tells what came to this process meanwhile. */
const held = async (open: OpenStore, session: string, first: string) => {
  const seen: string[] = []
  const heard: string[] = []
  const gate = Promise.withResolvers<void>()
  let going = true
  const follower = follow(open, session, {
    room: () => (going ? Promise.resolve() : gate.promise),
    onEvent: (event) => void seen.push(event.id),
    onEphemeral: (frame) => void seen.push('delta' in frame ? frame.delta : ''),
  })
  await vi.waitUntil(() => seen.includes(first), SOON)
  const stop = await open.feed.listen(session, {
    durable: ({ id }) => void heard.push(id),
    ephemeral: (frame) => void heard.push('delta' in frame ? frame.delta : ''),
    gap: () => {},
  })
  going = false
  return {
    seen,
    until: (what: string) => vi.waitUntil(() => heard.includes(what), SOON),
    goOn: gate.resolve,
    stop() {
      stop()
      return follower.stop()
    },
  }
}

test('pieces that are heard while the log is read keep their places between its events', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  const [, started] = await logIds(open.store, session)
  const reader = await held(open, session, started as string)
  const [read] = await task.append(large(70_000))
  await task.say('first')
  const [next] = await task.append(step(1))
  await task.say('second')
  await task.say('third')
  await reader.until('third')
  expect(reader.seen.at(-1)).toBe(started)
  reader.goOn()
  await vi.waitUntil(() => reader.seen.includes('third'), SOON)
  expect(reader.seen.slice(2)).toEqual([read, 'first', next, 'second', 'third'])
  await reader.stop()
})

test('pieces that are too many to hold are dropped, what follows is not', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  const [, started] = await logIds(open.store, session)
  const reader = await held(open, session, started as string)
  const [read] = await task.append(large(70_000))
  const much = 'x'.repeat(200_000)
  await task.say(much)
  await task.say(`${much}y`)
  await task.say('after')
  await reader.until('after')
  reader.goOn()
  await vi.waitUntil(() => reader.seen.includes('after'), SOON)
  expect(reader.seen.slice(2)).toEqual([read, 'after'])
  await reader.stop()
})

test('what is too large to publish is read once for all who follow', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  const followers = Array.from({ length: 30 }, () => follow(open, session))
  const heard = (id: string) => Promise.all(followers.map((follower) => follower.until(id)))
  const [live] = await task.append(step(1))
  await heard(live as string)
  const reads = vi.spyOn(open.store, 'readLog')
  const [id] = await task.append(large(70_000))
  await heard(id as string)
  // The event, and that nothing follows it.
  expect(reads.mock.calls.length).toBeLessThanOrEqual(4)
  const ids = await logIds(open.store, session)
  for (const follower of followers) expect(follower.ids()).toEqual(ids)
  await Promise.all(followers.map((follower) => follower.stop()))
})

test('one follower that fails leaves the others alone', async () => {
  await using open = openStore()
  const session = newSession()
  const task = await runTask(open.store, session)
  const reader = follow(open, session)
  const failing = follow(open, session, {
    room: () => Promise.reject(new Error('no room')),
  })
  await expect(failing.done).rejects.toThrow('no room')
  const [id] = await task.append(step(1))
  await reader.until(id as string)
  await reader.stop()
  await vi.waitUntil(async () => (await subscribers(open, session)) === 0, SOON)
})

test('a follower that is stopped before it began gets nothing and ends', async () => {
  await using open = openStore()
  const session = newSession()
  await runTask(open.store, session)
  const reader = follow(open, session, { signal: AbortSignal.abort() })
  await reader.done
  expect(reader.events).toEqual([])
  await vi.waitUntil(async () => (await subscribers(open, session)) === 0, SOON)
})
