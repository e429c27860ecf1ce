import { expect, test } from 'vitest'
import { z } from 'zod'
import { startFleet } from '../support/fleet.ts'

const Line = z.looseObject({ time: z.string(), level: z.number(), process: z.string(), msg: z.string() })
const parsed = (lines: string[]) => lines.map((line) => Line.parse(JSON.parse(line)))

test("logs say whose line each is, under the operations guide's tags", async () => {
  const { model, ...fleet } = await startFleet()
  model.on({}, { error: { message: 'no such model', type: 'invalid_request_error' }, status: 404 })
  const api = await fleet.startApi({ ALEX_VERBOSE: '1' })
  const worker = await fleet.startWorker()
  await fleet.ready()
  await fleet.request('/health')
  const answer = await fleet.request('/api/tasks', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Request-Id': 'request-one' },
    body: JSON.stringify({ task: 'fail', session_id: 'logged' }),
  })
  const { task_id } = z.object({ task_id: z.string() }).parse(await answer.json())
  expect(await fleet.ended(task_id)).toMatchObject({ status: 'failed' })
  await worker.untilLogged('task failed')
  await api.untilLogged('"route":"/api/tasks/:id"')

  const [ofApi, ofWorker] = [parsed(api.logged('')), parsed(worker.logged(''))]
  for (const line of ofApi) expect(line.process).toBe('api')
  const started = ofWorker.find(({ msg }) => msg === '[DI] worker started')
  for (const line of ofWorker) expect(line).toMatchObject({ process: 'worker', worker: started?.['worker'] })

  const belongs = { task_id, session_id: 'logged' }
  expect(ofApi.find(({ msg }) => msg.includes('task accepted'))).toMatchObject({
    ...belongs,
    request_id: 'request-one',
  })
  expect(ofApi.find((line) => line['route'] === '/api/tasks/:id')).toMatchObject({ task_id })
  for (const part of ['task started', 'model call failed for good', 'task failed'])
    expect(ofWorker.find(({ msg }) => msg.startsWith(`[ServerCoordinator] ${part}`))).toMatchObject(belongs)

  for (const tag of ['[DI]', '[ServerCoordinator]', '[HealthChecker]', '[MCP]', '[GitTools]'])
    expect([...ofApi, ...ofWorker].filter(({ msg }) => msg.startsWith(`${tag} `))).not.toEqual([])
})
