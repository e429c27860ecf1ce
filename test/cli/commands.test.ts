/** The commands that ask once, against a real API. */
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { alexWith } from '../support/alex.ts'
import { startService } from '../support/service.ts'

test('tasks are submitted, listed, shown and cancelled by filter, as text and as JSON', async () => {
  const service = await startService()
  const alex = await alexWith({ ALEX_URL: service.url })
  const submit = (task: string, ...more: string[]) => alex.json('submit', task, '--session', 'demo', ...more)
  const first = (await submit('look\u001b[2J around', '--metadata', 'kind=report')) as { task_id: string }
  await submit('and again', '--priority', '3')

  const { out } = await alex.run('tasks')
  expect(out).toMatch(/^TASK .*\n(task-\S+ +pending .*\n){2}$/)
  expect(out).toContain('look around')
  expect(await alex.json('tasks', '--search', 'look')).toMatchObject([{ task_id: first.task_id }])
  expect(await alex.run('tasks', '--limit', '1')).toMatchObject({
    err: 'the first 1 of 2; --all shows every one\n',
  })
  expect(await alex.json('tasks', '--stats')).toMatchObject({ pending: 2, completed: 0 })
  expect(await alex.json('show', first.task_id)).toMatchObject({ metadata: { kind: 'report' } })
  expect((await alex.run('show', first.task_id)).out).toMatch(/^task +task-[\s\S]*what +look around\n/)

  expect(await alex.json('cancel', '--session', 'demo')).toMatchObject({ skipped: [] })
  expect(await alex.json('tasks', '--status', 'cancelled')).toHaveLength(2)
  const gone = await alex.run('cancel', first.task_id, 'task-nowhere')
  expect(gone).toMatchObject({ code: 1, err: expect.stringContaining('skipped task-nowhere') })

  const watching = alex.begin(['watch', '--session', 'demo'])
  await watching.says(/: look around\n[^]*: and again\n[^]*(cancelled: [^]*){2}/)
  watching.child.kill('SIGINT')
  expect(await watching.done).toMatchObject({ code: 130, out: '' })

  expect(await alex.json('sessions')).toMatchObject([{ session_id: 'demo', task_count: 2 }])
  expect((await alex.run('sessions', 'show', 'demo')).out).toMatch(/user: look around[\s\S]*user: and again/)
  const fork = (await alex.run('sessions', 'fork', 'demo')).out.trim()
  expect(await alex.json('sessions', 'delete', fork)).toEqual({ session_id: fork, state: 'purged' })
})

test('costs, health, workers, MCP servers and presets are told', async () => {
  const service = await startService()
  const alex = await alexWith({ ALEX_URL: service.url })
  await service.submit({ task: 'wait', session_id: 'demo' })
  expect(await alex.json('cost', '--by', 'model')).toMatchObject({ group_by: 'model', groups: [] })
  expect((await alex.run('cost')).out).toMatch(/^COST +TOKENS +CALLS +DAY\n- +0 +0 +total, /)
  expect(await alex.json('cost', '--session', 'demo')).toMatchObject({ session_id: 'demo', models: [] })
  expect(await alex.run('health')).toMatchObject({ code: 1, out: expect.stringContaining('unhealthy') })
  expect(await alex.json('workers')).toEqual([])
  expect(await alex.json('mcp')).toMatchObject({ tools: [] })
  expect(await alex.json('presets')).toMatchObject({
    tool_presets: expect.arrayContaining([expect.objectContaining({ name: 'read-only' })]),
  })
})

test('every command has a help with an example that names it', () => {
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)]
  const program = createProgram()
  for (const command of all(program)) {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    expect(help).toMatch(new RegExp(`Examples?:[^]*\\balex\\b.*\\b${command.name()}\\b`))
  }
  expect(program.commands.map((command) => command.name())).toEqual(
    expect.arrayContaining(['run', 'submit', 'watch', 'cancel', 'serve', 'worker', 'doctor', 'config']),
  )
})

test('what is used wrongly leaves with 2 and says why', async () => {
  const alex = await alexWith({})
  const wrong: [string, string[]][] = [
    ['Did you mean tasks?', ['tsaks']],
    ['max_iterations', ['run', 'x', '--max-iterations', 'many']],
    ['Allowed choices', ['tasks', '--status', 'asleep']],
    ['exactly one of', ['cancel', 'task-1', '--session', 'demo']],
    ['begins with http://', ['health', '--url', 'localhost:8080']],
  ]
  for (const [why, args] of wrong)
    expect(await alex.run(...args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(why) })
  const help = await alex.run('--help')
  expect(help).toMatchObject({ code: 0, err: '', out: expect.stringContaining('Exit codes:') })
})
