/** A Redis that answers but takes no change: out of memory, a replica, or without the replicas it wants. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LEASE_MS } from '../../src/tasks/store.ts'
import { startFleet } from '../support/fleet.ts'
import { calls } from '../support/service.ts'
import { watch } from '../support/sse.ts'

const WORKS_AGAIN_WITHIN_MS = 3000

const refusals: [string, string[], string[]][] = [
  ['is out of memory', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
  ['became a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  [
    'misses its replicas',
    ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
    ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
  ],
]

test.each(refusals)(
  'while Redis %s changes are answered 503, reads go on, and finished steps are held',
  async (_, refuse, lift) => {
    const fleet = await startFleet()
    const { model, workspace, redis } = fleet
    model.on(
      { userMessage: /write/, turnIndex: 0 },
      calls(['bash', { command: 'echo once >> ledger; until [ -e go ]; do sleep 0.02; done' }]),
    )
    model.on({ userMessage: /write/, turnIndex: 1 }, { content: 'written' })
    model.on({ userMessage: /think/ }, { content: 'words '.repeat(200) }, { latency: 10, chunkSize: 10 })
    model.on({ userMessage: /new/ }, { content: 'done' })
    const processes = await Promise.all([fleet.startApi(), fleet.startWorker(), fleet.startWorker()])
    await fleet.ready()
    const writing = await fleet.submit({ task: 'write', session_id: 'w' })
    using stream = watch(`${fleet.url}/api/tasks/${writing.task_id}/events`)
    await stream.untilType('tool_call_start')
    const thinking = await fleet.submit({ task: 'think', session_id: 't' })
    using thoughts = watch(`${fleet.url}/api/tasks/${thinking.task_id}/events`)
    await thoughts.untilType('assistant_message')

    await redis.client.call(refuse[0] as string, ...refuse.slice(1))
    await writeFile(join(workspace, 'go'), '')
    const before = await fleet.json<object[]>('/api/tasks')
    for (const path of ['/api/tasks', `/api/tasks/${writing.task_id}/cancel`]) {
      const answer = await fleet.post(path, path === '/api/tasks' ? { task: 'new' } : {})
      expect(answer.status).toBe(503)
      expect(answer.headers.get('Retry-After')).toBe('1')
      expect(await answer.json()).toMatchObject({ code: 'redis_unavailable' })
    }
    const deleted = await fleet.request('/api/sessions/w', { method: 'DELETE' })
    expect(deleted.status).toBe(503)
    const reads = [`/api/tasks/${writing.task_id}`, '/api/tasks/stats', '/api/sessions', '/api/sessions/w']
    for (const path of [...reads, '/api/workers', '/api/tasks'])
      expect({ path, status: (await fleet.request(path)).status }).toEqual({ path, status: 200 })
    using opened = watch(`${fleet.url}/api/tasks/${writing.task_id}/events`)
    await opened.untilType('tool_call_start')
    // Longer than a lease: nobody may take the tasks for that.
    await pause(LEASE_MS + 1000)
    expect(await fleet.json('/health')).toMatchObject({
      status: 'unhealthy',
      components: expect.arrayContaining([
        expect.objectContaining({ name: 'redis', message: expect.stringContaining('takes no changes') }),
      ]) as unknown,
    })
    expect(await fleet.json('/api/tasks')).toEqual(before)

    await redis.client.call(lift[0] as string, ...lift.slice(1))
    const began = performance.now()
    const next = await fleet.submit({ task: 'new' })
    expect(await fleet.ended(next.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
    const took = performance.now() - began
    for (const { task_id } of [writing, thinking])
      expect(await fleet.ended(task_id)).toMatchObject({ status: 'completed', attempts: 1 })
    expect(took).toBeLessThan(WORKS_AGAIN_WITHIN_MS)
    expect(await readFile(join(workspace, 'ledger'), 'utf8')).toBe('once\n')
    await stream.untilType('task_complete')
    const seqs = stream.durable().map(({ data }) => data['seq'])
    expect(seqs).toEqual([...seqs.keys()].map((i) => i + 1))
    for (const process of processes) {
      expect(process.logged('"level":50')).toEqual([])
      expect(process.logged('heartbeat failed').length).toBeLessThan(2)
    }
  },
)
