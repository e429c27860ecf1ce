import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { describePresets, permits, TOOL_PRESETS } from '../../src/agent/presets.ts'
import { capText } from '../../src/agent/tools/output-cap.ts'
import { toolboxOf } from '../../src/agent/tools/registry.ts'
import { defineTool, type ToolOutput } from '../../src/agent/tools/tool.ts'
import { LeaseLost } from '../../src/errors.ts'
import { createFixture, type Fixture } from './support/fixture.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())

const ALL =
  'file_read file_write file_edit list_files find grep bash code_execute think todo_read todo_update subagent'.split(
    ' ',
  )
const WEB = ['web_search', 'web_fetch']

describe('the toolbox', () => {
  it('offers each tool with a description and a JSON Schema', () => {
    const specs = fixture.toolbox.specs('full')
    expect(specs.map(({ name }) => name)).toEqual([...ALL, ...WEB])
    const read = specs.find(({ name }) => name === 'file_read')
    expect(read?.parameters).toMatchObject({
      type: 'object',
      required: ['path'],
      properties: { path: { type: 'string' }, offset: { type: 'integer' } },
    })
    expect(JSON.stringify(specs)).not.toContain('$schema')
  })

  it('tells the effect of a tool, by either of its names', () => {
    const effects = ['bash', 'ripgrep', 'think', 'todo_update', 'no_such'].map(fixture.toolbox.effectOf)
    expect(effects).toEqual(['write', 'read', 'read', 'write', 'read'])
  })

  it('answers an unknown tool with the known ones', async () => {
    const output = await fixture.call('rm_rf', {}, { preset: 'web-only' })
    expect(output).toEqual({
      content: 'There is no tool "rm_rf". The tools are: think, todo_read, web_search, web_fetch.',
      error: 'unknown tool',
    })
  })

  it.each([
    ['{"path": ', /not JSON/],
    ['[]', /expected object/i],
    ['{}', /path: .*string/],
    [{ path: 'x', offset: 'three' }, /offset: .*number/],
    [{ path: 'x', limit: 99_999 }, /limit: .*2000/],
  ])('says what is wrong with the arguments %j', async (args, message) => {
    const output = await fixture.call('file_read', args)
    expect(output.error).toBe('invalid arguments')
    expect(output.content).toMatch(message)
  })

  it('takes null for an absent optional and nothing for no arguments', async () => {
    await fixture.write('a.txt', 'a')
    expect((await fixture.call('file_read', { path: 'a.txt', offset: null })).content).toBe('     1\ta')
    expect((await fixture.call('list_files', '')).content).toContain('a.txt')
  })

  it('keeps the todo list', async () => {
    expect((await fixture.call('todo_read', {})).content).toBe('The todo list is empty.')
    const todos = [
      { content: 'look', status: 'completed' },
      { content: 'act', status: 'in_progress', activeForm: 'Acting' },
    ]
    const updated = await fixture.call('todo_update', { todos })
    expect(updated.content).toBe('1. [x] look\n2. [~] act\n1 of 2 completed.')
    expect(await fixture.call('todo_read', {})).toEqual(updated)
    expect(
      (await fixture.call('todo_update', { todos: [{ content: '', status: 'done' }] })).error,
    ).toBeDefined()
  })
})

const probeTool = (run: (signal: AbortSignal) => Promise<ToolOutput>) =>
  toolboxOf([
    defineTool({
      name: 'probe',
      description: 'For tests',
      parameters: z.object({}),
      effect: 'read',
      timeoutMs: () => 50,
      run: (_args, { signal }) => run(signal),
    }),
  ])
const execute = (toolbox: ReturnType<typeof toolboxOf>, signal = fixture.context.signal) =>
  toolbox.execute({ tool_name: 'probe', arguments: '{}' }, { ...fixture.context, signal }, 'full')

describe('a call', () => {
  const endless = probeTool(async (signal) => {
    await sleep(60_000, undefined, { signal })
    return { content: 'never' }
  })

  it('that takes too long is aborted and answered', async () => {
    expect(await execute(endless)).toEqual({ content: 'Stopped after 0.05 s.', error: 'timeout' })
  })

  it('that is aborted is answered as cancelled', async () => {
    const controller = new AbortController()
    const running = execute(endless, controller.signal)
    controller.abort()
    expect((await running).error).toBe('cancelled')
    expect((await execute(endless, controller.signal)).error).toBe('cancelled')
  })

  it('that throws is a result, and only a lost lease is thrown on', async () => {
    const failing = probeTool(() => Promise.reject(new Error('boom')))
    expect(await execute(failing)).toEqual({ content: 'The tool failed: boom', error: 'failed' })
    const lost = probeTool(() => Promise.reject(new LeaseLost('test')))
    await expect(execute(lost)).rejects.toThrow(LeaseLost)
  })

  it('shows the model at most 16 000 characters, head and tail, with the cut named', async () => {
    const output = await execute(probeTool(async () => ({ content: `begin${'x'.repeat(50_000)}end` })))
    expect(output.content.length).toBeLessThanOrEqual(16_000)
    expect(output).toMatchObject({
      truncated: true,
      content: expect.stringMatching(/^begin.*\[… 34\d{3} .*end$/s),
    })
  })

  it('never cuts a character in half', () => {
    for (let i = 0; i < 4; i += 1) {
      const { text } = capText(`${'a'.repeat(i)}${'😀'.repeat(200)}`, 200)
      expect(text.isWellFormed()).toBe(true)
      expect(text.length).toBeLessThanOrEqual(200)
    }
  })
})

describe('tool presets', () => {
  const LATER = [
    { name: 'git_commit', effect: 'write' as const },
    ...['git_history', 'mcp__a__look'].map((name) => ({
      name,
      effect: 'read' as const,
    })),
    ...['git_pr', 'mcp__a__act'].map((name) => ({ name, effect: 'external' as const })),
  ]
  const FILES = ['file_read', 'list_files', 'find', 'grep']

  it.each([
    ['full', [...ALL, ...WEB, ...LATER.map(({ name }) => name)]],
    [
      'read-only',
      [...FILES, 'think', 'todo_read', 'web_search', 'web_fetch', 'git_history', 'mcp__a__look', 'subagent'],
    ],
    ['code-only', [...ALL.filter((name) => name !== 'bash'), 'git_commit', 'git_history']],
    ['web-only', ['think', 'todo_read', 'web_search', 'web_fetch']],
    [
      'safe',
      ALL.filter((name) => name !== 'bash' && name !== 'code_execute').concat(
        'git_commit web_search web_fetch git_history mcp__a__look'.split(' '),
      ),
    ],
    ['no-such', []],
  ])('%s allows what the design says', (preset, expected) => {
    const tools = [
      ...[...ALL, ...WEB].map((name) => ({ name, effect: fixture.toolbox.effectOf(name) })),
      ...LATER,
    ]
    const allowed = tools.filter((tool) => permits(preset, tool)).map(({ name }) => name)
    expect(allowed.toSorted()).toEqual(expected.toSorted())
  })

  it('hold when a call is executed, naming the preset', async () => {
    const output = await fixture.call('bash', { command: 'touch done' }, { preset: 'read-only' })
    expect(output.error).toBe('refused by preset read-only')
    expect(output.content).toContain('read-only')
    await expect(fixture.read('done')).rejects.toThrow('ENOENT')
  })

  it('are described with what each allows and denies', () => {
    const { agent_presets, tool_presets } = describePresets(fixture.toolbox.names)
    expect(agent_presets.map(({ name }) => name)).toContain('security-analyst')
    expect(tool_presets).toHaveLength(TOOL_PRESETS.length)
    expect(tool_presets.find(({ name }) => name === 'web-only')).toMatchObject({
      allowed: ['think', 'todo_read', 'web_search', 'web_fetch'],
      denied: expect.arrayContaining(['bash', 'file_write']),
    })
    expect(JSON.parse(JSON.stringify(tool_presets))).toEqual(tool_presets)
  })
})
