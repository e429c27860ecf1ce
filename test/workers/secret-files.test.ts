import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { calls, startService } from '../support/service.ts'

test('a file that a secret was read from is closed to tools and to commands, wherever it lies', async () => {
  const service = await startService()
  const { model, workspace } = service
  const file = join(workspace, 'token.txt')
  await writeFile(file, 'a-token-in-a-file\n')
  model.on(
    { turnIndex: 0 },
    calls(['file_read', { path: 'token.txt' }], ['bash', { command: 'wc -c <token.txt && echo it is open' }]),
  )
  model.on({ turnIndex: 1 }, { content: 'Both are closed.' })
  await service.startWorker({ ALEX_API_TOKENS_FILE: file })

  const { task_id, session_id } = await service.submit({ task: 'read it' })
  await service.ended(task_id)
  const { messages } = await service.json<{ messages: object[] }>(`/api/sessions/${session_id}`)
  expect(messages.at(-1)).toMatchObject({ content: 'Both are closed.' })
  expect(JSON.stringify(messages)).not.toMatch(/a-token-in-a-file|it is open\\n/)
  expect(JSON.stringify(messages)).toMatch(/ermission denied/)
})
