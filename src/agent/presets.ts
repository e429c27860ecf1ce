/** Tool presets (which tools a task may use) and agent presets (what the model is told it is). */
import type { Effect } from '../schemas/event.ts'
import type { Presets } from '../schemas/preset.ts'

interface ToolTraits {
  name: string
  effect: Effect
}

interface ToolPreset {
  name: string
  description: string
  permits: (tool: ToolTraits) => boolean
}

const CODE_TOOLS = new Set(
  [
    'file_read file_write file_edit list_files find grep code_execute',
    'think todo_read todo_update subagent git_history git_commit',
  ].flatMap((names) => names.split(' ')),
)
const WEB_TOOLS = new Set(['web_search', 'web_fetch', 'think', 'todo_read'])
const UNSAFE_TOOLS = new Set(['bash', 'code_execute', 'git_pr'])

export const TOOL_PRESETS: readonly ToolPreset[] = [
  { name: 'full', description: 'Every tool.', permits: () => true },
  {
    name: 'read-only',
    description: 'Tools that only read, and subagents under the same rule.',
    permits: ({ name, effect }) => effect === 'read' || name === 'subagent',
  },
  {
    name: 'code-only',
    description:
      'Files, search, code execution, todos, subagents, git history and commits; no web, no shell.',
    permits: ({ name }) => CODE_TOOLS.has(name),
  },
  {
    name: 'web-only',
    description: 'Web search and pages, thinking and the todo list; no files.',
    permits: ({ name }) => WEB_TOOLS.has(name),
  },
  {
    name: 'safe',
    description: 'Everything but the shell, code execution, pull requests and MCP tools that change things.',
    permits: ({ name, effect }) =>
      !UNSAFE_TOOLS.has(name) && (!name.startsWith('mcp__') || effect === 'read'),
  },
]

/** An unknown preset permits nothing. */
export const permits = (preset: string, tool: ToolTraits): boolean =>
  TOOL_PRESETS.find(({ name }) => name === preset)?.permits(tool) ?? false

export interface AgentPreset {
  /** Also the name of its file in `prompts/`. */
  name: string
  description: string
}

export const AGENT_PRESETS: readonly AgentPreset[] = [
  { name: 'default', description: 'General coding and everyday tasks in the workspace.' },
  { name: 'code-expert', description: 'Review, debugging and refactoring with attention to correctness.' },
  { name: 'researcher', description: 'Scopes a question, gathers evidence and synthesises an answer.' },
  { name: 'devops', description: 'Automation, reliability and rollback; infrastructure as code.' },
  {
    name: 'security-analyst',
    description: 'Threat model, review and findings by severity with fixes; prefers reading to changing.',
  },
]

/**
 * As `GET /api/presets` shows them. `namesOf` is the toolbox's `names`; `further`: tools that this process does not
 * have itself, those of the workers' MCP servers. Where two workers differ about one, the stricter view is told.
 */
export const describePresets = (
  namesOf: (preset: string) => { allowed: string[]; denied: string[] },
  further: readonly ToolTraits[] = [],
): Presets => {
  const names = [...new Set(further.map(({ name }) => name))].toSorted()
  return {
    agent_presets: AGENT_PRESETS.map(({ name, description }) => ({ name, description })),
    tool_presets: TOOL_PRESETS.map((preset) => {
      const { allowed, denied } = namesOf(preset.name)
      const refused = new Set(further.filter((tool) => !preset.permits(tool)).map(({ name }) => name))
      return {
        name: preset.name,
        description: preset.description,
        allowed: [...allowed, ...names.filter((name) => !refused.has(name))],
        denied: [...denied, ...names.filter((name) => refused.has(name))],
      }
    }),
  }
}
