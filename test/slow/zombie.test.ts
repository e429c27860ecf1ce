import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, processesWith } from '../support/processes.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

test.each(['auto', 'off'])(
  'a worker stopped for longer than its lease acts no more, neither then nor when it comes back (sandbox %s)',
  async (sandbox) => {
    const service = await startService()
    // Never over before it is killed, however long this machine takes to stop the worker.
    const seconds = `${60 + Math.random() * 1e-3}`
    service.model.on(
      { turnIndex: 0, userMessage: /write/ },
      calls([
        'bash',
        { command: `echo once >> ledger; echo started; sleep ${seconds}; echo late >> ledger` },
      ]),
    )
    service.model.on({ turnIndex: 1 }, { content: 'seen' })
    service.model.on({ userMessage: /another/ }, { content: 'done' })
    const zombie = await service.startWorker({ ALEX_SANDBOX: sandbox })
    const { task_id } = await service.submit({ task: 'write' })
    const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
    await stream.nextLive('tool_call_stream')
    await service.startWorker({ ALEX_SANDBOX: sandbox })
    process.kill(zombie.pid, 'SIGSTOP')

    expect(await stream.next('task_resumed')).toMatchObject({ attempt: 2, reason: 'worker_lost' })
    expect(await processesWith(`sleep\0${seconds}`)).toEqual([])
    expect(await service.ended(task_id)).toMatchObject({ status: 'completed', attempts: 2 })

    process.kill(zombie.pid, 'SIGCONT')
    const next = await service.submit({ task: 'and another' })
    await service.ended(next.task_id)
    await eventually(async () => (await service.json<unknown[]>('/api/workers')).length === 2)
    expect(await readFile(join(service.workspace, 'ledger'), 'utf8')).toBe('once\n')
    expect(stream.events.map(({ seq }) => seq)).toEqual(stream.events.map((_, i) => i + 1))
    expect(stream.events.filter(({ event_type }) => event_type.startsWith('task_'))).toHaveLength(4)
  },
)
