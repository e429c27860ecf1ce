import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { newSession, readRaw, runTask, step } from '../support/sse.ts'
import { startNginx } from './nginx-server.ts'

const api = await startApi({ allowedHosts: ['alex.example.com'] })
afterAll(() => api[Symbol.asyncDispose]())

/** The status of an answer to a request that came for this Host, which fetch would not let us say. */
const statusFor = async (host: string, url: string): Promise<number | undefined> => {
  const asked = get(url, { headers: { Host: host } })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode
}

describe.each(['guide.conf', 'alex.conf'])('behind nginx with %s', async (example) => {
  const nginx = await startNginx(example, new URL(api.url))
  afterAll(() => nginx[Symbol.asyncDispose]())
  const post = (body: string) =>
    fetch(`${nginx.url}/api/tasks`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'Idempotency-Key': `${example} ${body.length}`,
      },
      body,
    })

  test('requests and answers pass whole, headers and problems too', async () => {
    const session_id = newSession()
    const created = await post(JSON.stringify({ task: 'x'.repeat(150_000), session_id }))
    expect(created.status).toBe(201)
    const { task_id } = (await created.json()) as { task_id: string }
    expect(created.headers.get('Location')).toContain(task_id)
    const task = await fetch(`${nginx.url}/api/tasks/${task_id}`, {
      headers: { 'X-Request-Id': 'mine' },
    })
    expect(task.headers.get('X-Request-Id')).toBe('mine')
    expect(((await task.json()) as { task: string }).task).toHaveLength(150_000)
    const unknown = await fetch(`${nginx.url}/api/tasks/task-unknown`)
    expect(unknown.status).toBe(404)
    expect(unknown.headers.get('Content-Type')).toContain('application/problem+json')
  })

  test('its name is answered when it is in allowed_hosts, another is refused', async () => {
    expect(await statusFor('alex.example.com', `${nginx.url}/api/tasks`)).toBe(200)
    expect(await statusFor('elsewhere.example', `${nginx.url}/api/tasks`)).toBe(403)
  })

  test('each event arrives before the next one is made', async () => {
    const session = newSession()
    using stream = await readRaw(`${nginx.url}/api/sse?session_id=${session}`)
    expect(stream.headers.get('Content-Type')).toBe('text/event-stream')
    await stream.until(/event: connected/)
    const worker = await runTask(api.store, session)
    await stream.until(/event: task_started/)
    for (const iteration of [1, 2, 3]) {
      const [id] = await worker.append(step(iteration))
      await stream.until(new RegExp(`id: ${id}\n[^]*"iteration":${iteration},[^]*\n\n`))
    }
    await worker.sayUntil(stream.until(/event: assistant_message\ndata: .*piece by piece/), 'piece by piece')
    await worker.finish()
  })

  test('a client that comes back with Last-Event-ID goes on behind it, and stops after the end', async () => {
    const worker = await runTask(api.store, newSession())
    const url = `${nginx.url}/api/tasks/${worker.task_id}/events`
    const [first, second] = await worker.append(step(1), step(2))
    {
      using stream = await readRaw(url)
      await stream.until(new RegExp(`id: ${first}\n`))
    }
    const [third] = await worker.append(step(3))
    using again = await readRaw(url, { 'Last-Event-ID': first ?? '' })
    await again.until(new RegExp(`id: ${third}\n`))
    await worker.finish()
    const ids = [...(await again.untilEnd()).matchAll(/^id: (.*)$/gm)].map(([, id]) => id)
    expect(ids.slice(0, 2)).toEqual([second, third])
    expect(ids).toHaveLength(3)
    const ended = await fetch(url, { headers: { 'Last-Event-ID': ids[2] ?? '' } })
    expect(ended.status).toBe(204)
  })
})

test('metrics are not for those outside', async () => {
  await using nginx = await startNginx('alex.conf', new URL(api.url))
  expect((await fetch(`${nginx.url}/metrics`)).status).toBe(404)
})
