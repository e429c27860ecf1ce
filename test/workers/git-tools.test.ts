import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Health } from '../../src/schemas/health.ts'
import { startFleet } from '../support/fleet.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'

const git = (cwd: string, ...args: string[]) => execFileSync('git', args, { cwd, encoding: 'utf8' }).trim()

test('an agent commits with a message that the model writes', async () => {
  const service = await startService()
  const { model, workspace } = service
  git(workspace, 'init', '-q', '-b', 'main')
  git(workspace, 'config', 'user.name', 'Ada')
  git(workspace, 'config', 'user.email', 'ada@example.org')
  await writeFile(join(workspace, 'a.txt'), 'one\n')
  model.on({ userMessage: '<diff>' }, { content: 'feat: add a' })
  model.on({ turnIndex: 0 }, calls(['git_commit', { auto: true }]))
  model.on({ turnIndex: 1 }, { content: 'Committed.' })
  await service.startWorker()

  const { task_id } = await service.submit({ task: 'commit it', tool_preset: 'code-only' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('task_complete')
  const started = stream.events.find(({ event_type }) => event_type === 'task_started')
  expect(started).toMatchObject({
    tools: {
      allowed: expect.arrayContaining(['git_commit', 'git_history']),
      denied: expect.arrayContaining(['git_pr']),
    },
  })
  expect(git(workspace, 'log', '--format=%an %s')).toBe('Ada feat: add a')
  expect((await service.ended(task_id)).result?.answer).toBe('Committed.')
})

test('no git tool is offered in a workspace that is no repository', async () => {
  const service = await startService()
  service.model.on({ turnIndex: 0 }, calls(['git_history', {}]))
  service.model.on({ turnIndex: 1 }, { content: 'There is none.' })
  await service.startWorker()
  const { task_id } = await service.submit({ task: 'look at the history' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('task_complete')
  expect(JSON.stringify(stream.events.find(({ event_type }) => event_type === 'task_started'))).not.toContain(
    'git_',
  )
  const result = stream.events.find(({ event_type }) => event_type === 'tool_call_complete')
  expect(result).toMatchObject({ error: 'unknown tool' })
})

test.each([
  [
    {},
    {
      status: 'ready',
      message: 'Git tools available',
      details: { tools: ['git_commit', 'git_pr', 'git_history'] },
    },
  ],
  [{ ALEX_ENABLE_GIT_TOOLS: 'false' }, { status: 'disabled', message: 'disabled by configuration' }],
])('health tells of the git tools with %j', async (env, expected) => {
  const fleet = await startFleet()
  const worker = await fleet.startWorker(env)
  await worker.untilLogged(`[GitTools] ${expected.message}`)
  await fleet.startApi()
  await fleet.ready()
  const { components } = await fleet.json<Health>('/health')
  expect(components.find(({ name }) => name === 'git_tools')).toEqual({ name: 'git_tools', ...expected })
})
