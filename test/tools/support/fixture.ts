/** A real workspace, guard and toolbox in a temporary folder. */
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Toolbox } from '../../../src/agent/agent.ts'
import { toolEnvironment } from '../../../src/agent/tools/environment.ts'
import { createGitTools } from '../../../src/agent/tools/git/git-tools.ts'
import type { Guard } from '../../../src/agent/tools/guard.ts'
import { createGuard } from '../../../src/agent/tools/guard-client.ts'
import { monotonicMs } from '../../../src/agent/tools/guard-protocol.ts'
import { createToolbox } from '../../../src/agent/tools/registry.ts'
import { createSandbox, type SandboxOptions } from '../../../src/agent/tools/sandbox.ts'
import type { ToolContext, ToolOutput, ToolSource } from '../../../src/agent/tools/tool.ts'
import type { WebSearchOptions } from '../../../src/agent/tools/web/web-search.ts'
import type { Todo } from '../../../src/schemas/session.ts'

export interface Fixture extends AsyncDisposable {
  /** Holds the workspace and what must stay out of reach. */
  root: string
  workspace: string
  guard: Guard
  toolbox: Toolbox
  context: ToolContext
  write(path: string, content: string | Uint8Array): Promise<void>
  read(path: string): Promise<string>
  call(name: string, args: unknown, more?: CallOptions): Promise<ToolOutput>
}

export interface CallOptions {
  preset?: string
  signal?: AbortSignal
  stream?: (chunk: string) => void
  assertLease?: () => void
  ask?: ToolContext['ask']
}

export interface FixtureOptions {
  sandbox?: SandboxOptions['mode']
  network?: SandboxOptions['network']
  env?: Record<string, string>
  /** Folders that come first in PATH, `WORKSPACE` in them being the workspace. */
  ownPrograms?: string[]
  /** Relative to the fixture's root. */
  closed?: string[]
  webSearch?: WebSearchOptions
  /** Offers the git tools; `source` is where the credentials of git_pr come from. */
  git?: { source?: Record<string, string> }
  /** Tools beside the built-in ones, of servers under this fixture's guard. */
  source?: (guard: Guard) => ToolSource
}

let calls = 0

export const createFixture = async (options: FixtureOptions = {}): Promise<Fixture> => {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'alex-tools-')))
  const workspace = join(root, 'workspace')
  await mkdir(workspace)
  const searched = [...(options.ownPrograms ?? []), options.env?.['PATH'] ?? process.env['PATH']].join(':')
  const source = { ...process.env, ...options.env, PATH: searched.replaceAll('WORKSPACE', workspace) }
  const env = toolEnvironment(source, [workspace])
  const closedDirs = (options.closed ?? []).map((path) => join(root, path))
  const { sandbox: mode = 'off', network = 'none' } = options
  const sandbox = await createSandbox({ mode, network, closedDirs, env })
  const guard = beatenGuard()
  const git = await createGitTools({
    enabled: options.git !== undefined,
    closedDirs,
    sandbox,
    env,
    source: options.git?.source ?? {},
  })
  const toolbox = createToolbox({
    closedDirs,
    sandbox,
    env,
    further: git.tools,
    ...(options.webSearch && { webSearch: options.webSearch }),
    ...(options.source && { source: options.source(guard) }),
  })
  const context = contextOf(workspace, guard)

  return {
    root,
    workspace,
    guard,
    toolbox,
    context,
    write: async (path, content) => {
      await mkdir(dirname(join(workspace, path)), { recursive: true })
      await writeFile(join(workspace, path), content)
    },
    read: (path) => readFile(join(workspace, path), 'utf8'),
    call: (name, args, { preset = 'full', ...more } = {}) => {
      const text = typeof args === 'string' ? args : JSON.stringify(args)
      const own = { ...context, callKey: `test-${process.pid}/${++calls}`, ...more }
      return toolbox.execute({ tool_name: name, arguments: text }, own, preset)
    },
    [Symbol.asyncDispose]: async () => {
      await guard[Symbol.asyncDispose]()
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** A guard whose lease lasts as long as any test. */
export const beatenGuard = (): Guard => {
  const guard = createGuard({ leaseMs: 600_000 })
  guard.beat(monotonicMs())
  return guard
}

const contextOf = (workspace: string, guard: Guard): ToolContext => {
  let todos: Todo[] = []
  return {
    workspace,
    guard,
    callKey: 'unused',
    signal: new AbortController().signal,
    assertLease: () => {},
    stream: () => {},
    ask: async () => ({ ok: false, message: 'no model here' }),
    todos: {
      read: async () => todos,
      write: async (next) => {
        todos = next
      },
    },
  }
}

/** Fails after `limitMs`. */
export const until = async (
  what: string,
  test: () => Promise<boolean> | boolean,
  limitMs = 5_000,
): Promise<void> => {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; await sleep(10)) {
    if (await test()) return
  }
  throw new Error(`waited in vain until ${what}`)
}

/** Command lines of living processes that hold this text; bracket it in the command so that it differs. */
export const processesWith = async (text: string): Promise<string[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(text))
}
