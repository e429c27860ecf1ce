/** What an operator does with the folders of a whole ALEX: copy them, lose everything, put them back. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Session } from '../../src/schemas/session.ts'
import type { Task, TaskCreated } from '../../src/schemas/task.ts'
import { freePort } from '../support/free-port.ts'
import { makeFolder } from '../support/keep.ts'
import { eventually } from '../support/processes.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** `npm start` with everything below `home`; ended when the test ends. */
const start = async (home: string) => {
  const port = await freePort()
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      ALEX_HOME: join(home, 'alex'),
      ALEX_WORKSPACE_DIR: home,
      PORT: String(port),
    },
    stdio: 'ignore',
  })
  const gone = once(child, 'exit')
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await gone
  }
  onTestFinished(stop)
  const url = `http://127.0.0.1:${port}`
  const json = async <T>(path: string, init?: RequestInit) =>
    (await (await fetch(url + path, init)).json()) as T
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`ALEX ended at its start with ${child.exitCode}`)
    return (await fetch(`${url}/health`).catch(() => null))?.status === 200
  })
  return {
    json,
    stop,
    submit: (task: string) =>
      json<TaskCreated>('/api/tasks', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ task, session_id: 'saved' }),
      }),
  }
}

test('folders that were copied while ALEX stood still bring everything back; the sessions alone bring sessions', async () => {
  const home = await makeFolder()
  const saved = await makeFolder()
  const first = await start(home)
  const { task_id } = await first.submit('bash: echo hello')
  const task = await first.json<Task>(`/api/tasks/${task_id}?wait_s=30`)
  expect(task.status).toBe('completed')
  const session = await first.json<Session>('/api/sessions/saved')
  const mirror = join(home, 'alex/sessions/saved.json')
  await eventually(async () => (await readFile(mirror, 'utf8').catch(() => '')).includes('task_complete'))
  await first.stop()

  await cp(join(home, 'alex'), saved, { recursive: true })
  await rm(join(home, 'alex'), { recursive: true })
  await cp(saved, join(home, 'alex'), { recursive: true })
  const second = await start(home)
  expect(await second.json(`/api/tasks/${task_id}`)).toEqual(task)
  expect(await second.json('/api/sessions/saved')).toEqual(session)
  await second.stop()

  await rm(join(home, 'alex'), { recursive: true })
  await cp(join(saved, 'sessions'), join(home, 'alex/sessions'), { recursive: true })
  const third = await start(home)
  await eventually(async () => (await third.json<Session[]>('/api/sessions')).length === 1)
  expect(await third.json('/api/sessions/saved')).toEqual(session)
  expect(await third.json(`/api/tasks/${task_id}`)).toEqual(task)
  const next = await third.submit('bash: echo again')
  expect(await third.json(`/api/tasks/${next.task_id}?wait_s=30`)).toMatchObject({ status: 'completed' })
  await third.stop()
})
