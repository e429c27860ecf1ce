/**
 * Every tool under every tool preset, in a task and in a subagent: what the model is offered, and what comes of
 * calling it all the same. The expected table is written by hand from the design, not from the code.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Mcp, startMcp } from '../../src/agent/mcp/mcp.ts'
import { TOOL_PRESETS } from '../../src/agent/presets.ts'
import type { Todo } from '../../src/schemas/session.ts'
import { activate, call, createRecorder, ofType, quiet, scripted } from '../agent/support.ts'
import { odd } from '../mcp/support.ts'
import { eventually } from '../support/processes.ts'
import { createFixture, type Fixture } from './support/fixture.ts'

const COLUMNS = ['full', 'read-only', 'code-only', 'web-only', 'safe'] as const
type Column = (typeof COLUMNS)[number]

/** + offered and executed, - neither. */
const TABLE = `
  file_read         + + + - +
  file_write        + - + - +
  file_edit         + - + - +
  list_files        + + + - +
  find              + + + - +
  grep              + + + - +
  bash              + - - - -
  code_execute      + - + - -
  think             + + + + +
  todo_read         + + + + +
  todo_update       + - + - +
  web_search        + + - + +
  web_fetch         + + - + +
  git_history       + + + - +
  git_commit        + - + - +
  git_pr            + - - - -
  mcp__odd__look    + + - - +
  mcp__odd__slow    + - - - -
  mcp__wary__look   + - - - -
  subagent          + + + - +`

/** Read-only by its own word; without a word; read-only by its own word, which its entry says not to trust. */
const MCP_ROWS = ['mcp__odd__look', 'mcp__odd__slow', 'mcp__wary__look']

const rows = TABLE.trim()
  .split('\n')
  .map((line) => line.trim().split(/ +/))
  .map(([tool = '', ...signs]) => ({ tool, signs }))
const TOOLS = rows.map(({ tool }) => tool)

const allowedIn = (column: Column, child: boolean): string[] =>
  rows
    .filter(({ tool, signs }) => signs[COLUMNS.indexOf(column)] === '+' && !(child && tool === 'subagent'))
    .map(({ tool }) => tool)

/** Every one of them leaves a trace when it is carried out; see `tracesOf`. */
const WITH_TRACE = new Set(
  [
    'file_write file_edit bash code_execute todo_update web_search',
    'git_commit mcp__odd__slow subagent',
  ].flatMap((names) => names.split(' ')),
)

const ARGUMENTS: Record<string, object> = {
  file_read: { path: 'a.txt' },
  file_write: { path: 'by/file_write', content: 'x' },
  file_edit: { file_path: 'by/file_edit', old_string: '', new_string: 'x' },
  list_files: {},
  find: { name: '*.txt' },
  grep: { pattern: 'one' },
  bash: { command: 'mkdir -p by && touch by/bash' },
  code_execute: { language: 'bash', code: 'mkdir -p by && touch by/code_execute' },
  think: { thought: 'hm' },
  todo_read: {},
  todo_update: { todos: [{ content: 'x', status: 'pending' }] },
  web_search: { query: 'x' },
  web_fetch: { url: 'http://127.0.0.1/' },
  git_history: {},
  git_commit: { message: 'chore: x', auto: true },
  git_pr: { base: 'main' },
  mcp__odd__look: {},
  mcp__odd__slow: { ms: 0 },
  mcp__wary__look: {},
  subagent: { subtasks: ['x'] },
}

let fixture: Fixture
/** Holds the list of MCP servers and what they leave. */
let place: string
let mcp: Mcp
const tavily = new LLMock({ port: 0, logLevel: 'silent' })

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'alex-presets-'))
  const servers = { odd: odd('well', place), wary: odd('well', place, { trust_annotations: false }) }
  await writeFile(join(place, 'mcp.json'), JSON.stringify({ mcpServers: servers }))
  tavily.onSearch('x', [])
  await tavily.start()
  fixture = await createFixture({
    env: { PATH: '/usr/bin:/bin', HOME: place },
    git: {},
    webSearch: { apiKey: 'tvly-x', baseUrl: tavily.url },
    source: (guard) => {
      mcp = startMcp({
        enabled: true,
        named: true,
        path: join(place, 'mcp.json'),
        variables: {},
        env: {},
        cwd: place,
        guard,
        version: '0.0.0',
        log: quiet,
      })
      return mcp
    },
  })
  await eventually(async () => mcp.state().status === 'ready')
})
afterAll(async () => {
  await mcp[Symbol.asyncDispose]()
  await fixture[Symbol.asyncDispose]()
  await tavily.stop()
  await rm(place, { recursive: true, force: true })
})

/** A repository of its own with one commit of `a.txt`, which has changed since. */
const makeWorkspace = async (name: string): Promise<string> => {
  const workspace = join(fixture.root, name)
  await mkdir(workspace)
  await writeFile(join(workspace, 'a.txt'), 'one\n')
  const script = `git init -q -b main . && git config user.name Ada && git config user.email ada@example.org
    git add . && git commit -qm first && echo two >> a.txt`
  execFileSync('sh', ['-c', script], { cwd: workspace })
  return workspace
}

const slowCalls = async (): Promise<number> =>
  (await readFile(join(place, 'trace'), 'utf8')).split('slow took effect').length - 1

/** One activation whose model calls every tool there is, offered or not. */
const tryAll = async (preset: string, child: boolean) => {
  const workspace = await makeWorkspace(`${preset}-${child ? 'child' : 'task'}`)
  const recorder = createRecorder()
  const before = { searches: tavily.getRequests().length, slow: await slowCalls() }
  let todos: Todo[] = []
  let children = 0
  const { model, requests } = scripted([
    { tool_calls: TOOLS.map((tool) => call(tool, ARGUMENTS[tool])) },
    { content: 'done' },
  ])
  const { run } = await activate({
    task: { tool_preset: preset, ...(child && { parent_task_id: 'task-0' }) },
    model,
    recorder,
    toolContext: {
      ...fixture.context,
      workspace,
      todos: { read: async () => todos, write: async (next) => void (todos = next) },
    },
    delegation: { start: async () => void (children += 1), results: async () => [] },
    deps: { toolbox: fixture.toolbox },
  })
  const ended = await run
  const made = await readdir(join(workspace, 'by')).catch(() => [])
  const commits = execFileSync('git', ['rev-list', '--count', 'HEAD'], { cwd: workspace }).toString().trim()
  const traces = [
    ...made,
    ...(todos.length > 0 ? ['todo_update'] : []),
    ...(tavily.getRequests().length > before.searches ? ['web_search'] : []),
    ...(commits === '1' ? [] : ['git_commit']),
    ...((await slowCalls()) > before.slow ? ['mcp__odd__slow'] : []),
    ...(children > 0 ? ['subagent'] : []),
  ]
  return {
    ended,
    offered: requests[0]?.tools.map(({ name }) => name) ?? [],
    results: ofType(recorder.events, 'tool_call_complete'),
    traces,
    started: ofType(recorder.events, 'task_started')[0],
  }
}

const isRefused = (error: string | undefined): boolean =>
  /^refused by preset|^refused: this is/.test(error ?? '')

describe.each(COLUMNS)('under %s', (preset) => {
  it.each([
    ['a task', false],
    ['a subagent', true],
  ])(
    '%s is offered what the table says, and what it calls besides is refused and does nothing',
    async (_, child) => {
      const { ended, offered, results, traces, started } = await tryAll(preset, child)
      const allowed = allowedIn(preset, child)
      const known = (names: readonly string[]) => names.filter((name) => TOOLS.includes(name)).toSorted()
      expect(known(offered)).toEqual(allowed.toSorted())
      expect(known(started?.tools.allowed ?? [])).toEqual(allowed.toSorted())
      expect(known(started?.tools.denied ?? [])).toEqual(
        TOOLS.filter((tool) => !allowed.includes(tool)).toSorted(),
      )

      // A subagent that is allowed ends the activation, so its result is yet to come.
      const waits = allowed.includes('subagent')
      expect(ended.kind).toBe(waits ? 'waiting' : 'answered')
      expect(results.map(({ tool_name }) => tool_name).toSorted()).toEqual(
        TOOLS.filter((tool) => !(waits && tool === 'subagent')).toSorted(),
      )
      for (const { tool_name, error } of results) {
        expect([tool_name, isRefused(error)]).toEqual([tool_name, !allowed.includes(tool_name)])
      }
      const byPreset = results.filter(({ error }) => error === `refused by preset ${preset}`)
      expect(byPreset.map(({ result }) => result)).toEqual(
        byPreset.map(
          ({ tool_name }) =>
            `The tool preset ${preset} of this task does not allow ${tool_name}. Nothing was done.`,
        ),
      )
      expect(traces.toSorted()).toEqual(allowed.filter((tool) => WITH_TRACE.has(tool)).toSorted())
    },
  )
})

describe('the table', () => {
  it('has a column for every tool preset', () => {
    expect(TOOL_PRESETS.map(({ name }) => name).toSorted()).toEqual([...COLUMNS].toSorted())
  })

  it('has a row for every tool, of MCP servers one of each kind', () => {
    const { allowed } = fixture.toolbox.names('full')
    const builtIn = allowed.filter((name) => !name.startsWith('mcp__'))
    expect([...builtIn, ...MCP_ROWS].toSorted()).toEqual(TOOLS.toSorted())
    expect(Object.keys(ARGUMENTS).toSorted()).toEqual(TOOLS.toSorted())
  })

  it('holds for the other name of grep, and has no tool of a preset that does not exist', async () => {
    expect((await fixture.call('ripgrep', { pattern: 'x' }, { preset: 'web-only' })).error).toBe(
      'refused by preset web-only',
    )
    expect(fixture.toolbox.specs('no-such')).toEqual([])
    expect((await fixture.call('think', { thought: 'x' }, { preset: 'no-such' })).error).toBe(
      'refused by preset no-such',
    )
  })

  it('is not yet about ask_user, which nobody is offered', async () => {
    expect((await fixture.call('ask_user', { question: 'x' })).error).toBe('unknown tool')
  })
})
