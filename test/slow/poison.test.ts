/** A task that kills whoever runs it, among tasks that do no harm. */
import { expect, test } from 'vitest'
import type { TaskSummary } from '../../src/schemas/task.ts'
import { calls, startService } from '../support/service.ts'

const WORKERS = 3
const NEIGHBOURS = 9
/** Of each neighbour, of three seconds each. */
const STEPS = 8
const PATIENCE_MS = 240_000

/** Kills the worker process that this command descends from; its own text is no match for it. */
const KILL = `p=$$
while ! tr '\\0' ' ' < /proc/$p/cmdline | grep -q 'workers/main[.]ts'; do p=$(awk '/^PPid/ { print $2 }' /proc/$p/status); done
kill -9 $p; sleep 60`

test(
  'a task that kills its workers fails after five, and none of its nine neighbours does',
  async () => {
    const service = await startService()
    const { model } = service
    for (let turnIndex = 0; turnIndex < 12; turnIndex++)
      model.on({ userMessage: /poison/, turnIndex }, calls(['bash', { command: KILL }]))
    for (let turnIndex = 0; turnIndex < STEPS; turnIndex++)
      model.on({ userMessage: /neighbour/, turnIndex }, calls(['bash', { command: 'sleep 3' }]))
    model.on({ userMessage: /neighbour/, turnIndex: STEPS }, { content: 'lived through it' })

    let killed = 0
    let over = false
    const superviseOne = async () => {
      while (!over) {
        const worker = await service.startWorker({ ALEX_SANDBOX: 'off', ALEX_WORKER_CONCURRENCY: '5' })
        await worker.ended
        if (!over) killed += 1
      }
    }
    for (let i = 0; i < WORKERS; i++) void superviseOne()

    try {
      const neighbours = await Promise.all(
        Array.from({ length: NEIGHBOURS }, (_, i) =>
          service.submit({ task: `neighbour ${i}`, max_iterations: STEPS + 5 }),
        ),
      )
      const poison = await service.submit({ task: 'poison' })
      const [end, ...others] = await Promise.all(
        [poison, ...neighbours].map(({ task_id }) => service.ended(task_id)),
      )
      expect(end).toMatchObject({ status: 'failed', attempts: 5, error: { code: 'worker_lost' } })
      expect(killed).toBe(5)
      expect(others.map(({ status }) => status)).toEqual(others.map(() => 'completed'))
      for (const { task_id } of neighbours)
        expect(await service.redis.hget(service.store.key('task', task_id), 'losses')).toBe('0')
      const listed = await service.json<TaskSummary[]>('/api/tasks')
      expect(listed).toHaveLength(1 + NEIGHBOURS)
    } finally {
      over = true
    }
  },
  PATIENCE_MS,
)
