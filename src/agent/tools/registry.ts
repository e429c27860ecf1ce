/** The tools of a worker: which there are, which a preset offers, and how a call of one is carried out. */
import { z } from 'zod'
import { LeaseLost, messageOf } from '../../errors.ts'
import type { Toolbox } from '../agent.ts'
import type { ToolSpec } from '../model.ts'
import { permits } from '../presets.ts'
import { bashTool } from './bash.ts'
import { codeExecuteTool } from './code-execute.ts'
import { fileEditTool } from './file-edit.ts'
import { fileReadTool } from './file-read.ts'
import { fileWriteTool } from './file-write.ts'
import { findTool } from './find.ts'
import { grepTool } from './grep.ts'
import { listFilesTool } from './list-files.ts'
import { capText } from './output-cap.ts'
import type { Sandbox } from './sandbox.ts'
import { subagentTool } from './subagent.ts'
import { thinkTool } from './think.ts'
import { todoReadTool } from './todo-read.ts'
import { todoUpdateTool } from './todo-update.ts'
import type { CallContext, Tool, ToolOutput, ToolSource } from './tool.ts'
import { badArguments, failureOutput, problemsOf } from './tool-failure.ts'
import { webFetchTool } from './web/web-fetch.ts'
import { type WebSearchOptions, webSearchTool } from './web/web-search.ts'

export interface ToolboxOptions {
  /** Absolute, real paths of ALEX's own state; no tool reads or writes there. */
  closedDirs: readonly string[]
  sandbox: Sandbox
  /** Of processes that tools start; see `toolEnvironment`. */
  env: Readonly<Record<string, string>>
  /** What is offered in some workspaces only; after the tools that are always there. */
  further?: readonly Tool[]
  /** Tools beside the built-in ones. */
  source?: ToolSource
  /** Without it `web_search` says that it needs a key. */
  webSearch?: WebSearchOptions
}

export const createToolbox = (options: ToolboxOptions): Toolbox =>
  toolboxOf(
    [
      fileReadTool(options),
      fileWriteTool(options),
      fileEditTool(options),
      listFilesTool(options),
      findTool(options),
      grepTool(options),
      bashTool(options),
      codeExecuteTool(options),
      thinkTool,
      todoReadTool,
      todoUpdateTool,
      subagentTool,
      webSearchTool(options.webSearch),
      webFetchTool(),
      ...(options.further ?? []),
    ],
    options.source,
  )

/** Names that models use for a tool of another name. */
const ALIASES: Readonly<Record<string, string>> = { ripgrep: 'grep' }

const NO_TOOLS: readonly Tool[] = []

export const toolboxOf = (builtIn: readonly Tool[], source?: ToolSource): Toolbox => {
  let catalog = catalogOf(builtIn, NO_TOOLS)
  const current = (): Catalog => {
    const more = source?.tools() ?? NO_TOOLS
    if (more !== catalog.more) catalog = catalogOf(builtIn, more)
    return catalog
  }
  const find = (name: string): Tool | undefined => {
    const { byName } = current()
    return byName.get(name) ?? byName.get(ALIASES[name] ?? '')
  }
  /** Asked for several times a model call, and the same until the catalog is another. */
  const offerOf = (preset: string): Offer => {
    const { offers } = current()
    const offer = offers.get(preset) ?? makeOffer(current(), preset)
    offers.set(preset, offer)
    return offer
  }

  return {
    specs: (preset) => offerOf(preset).specs,
    names: (preset) => offerOf(preset).names,
    // A tool that is away may be back before the call is carried out.
    effectOf: (name) => find(name)?.effect ?? (source?.owns(name) ? 'external' : 'read'),
    async execute({ tool_name, arguments: text }, context, preset) {
      const tool = find(tool_name)
      if (tool === undefined) return unknownTool(tool_name, offerOf(preset).names.allowed)
      if (!permits(preset, tool)) return refusedByPreset(tool, preset)
      const parsed = parseArguments(tool, text)
      return 'refusal' in parsed
        ? parsed.refusal
        : capped(await runTool(tool, parsed.args, { ...context, preset }))
    },
  }
}

interface Offer {
  specs: readonly ToolSpec[]
  names: { allowed: string[]; denied: string[] }
}

interface Catalog {
  more: readonly Tool[]
  tools: readonly Tool[]
  byName: ReadonlyMap<string, Tool>
  specs: ReadonlyMap<string, ToolSpec>
  /** By preset, as they are asked for. */
  offers: Map<string, Offer>
}

const makeOffer = ({ tools, specs }: Catalog, preset: string): Offer => {
  const offered = tools.filter((tool) => tool.offered !== false)
  const namesWhere = (permitted: boolean) =>
    offered.filter((tool) => permits(preset, tool) === permitted).map(({ name }) => name)
  const allowed = namesWhere(true)
  return {
    specs: allowed.flatMap((name) => specs.get(name) ?? []),
    names: { allowed, denied: namesWhere(false) },
  }
}

const catalogOf = (builtIn: readonly Tool[], more: readonly Tool[]): Catalog => {
  const tools = [...builtIn, ...more]
  return {
    more,
    tools,
    byName: new Map(tools.map((tool) => [tool.name, tool])),
    specs: new Map(tools.map((tool) => [tool.name, specOf(tool)])),
    offers: new Map(),
  }
}

const specOf = ({ name, description, parameters, jsonSchema }: Tool): ToolSpec => {
  if (jsonSchema !== undefined) return { name, description, parameters: jsonSchema }
  // Input: what has a default may be left out.
  const { $schema: _, ...schema } = z.toJSONSchema(parameters, { io: 'input' })
  return { name, description, parameters: schema }
}

const unknownTool = (name: string, known: readonly string[]): ToolOutput => ({
  content: `There is no tool ${JSON.stringify(name)}. The tools are: ${known.join(', ')}.`,
  error: 'unknown tool',
})

const refusedByPreset = ({ name }: Tool, preset: string): ToolOutput => ({
  content: `The tool preset ${preset} of this task does not allow ${name}. Nothing was done.`,
  error: `refused by preset ${preset}`,
})

type Parsed = { args: z.infer<Tool['parameters']> } | { refusal: ToolOutput }

const parseArguments = ({ name, parameters, jsonSchema }: Tool, text: string): Parsed => {
  let value: unknown
  try {
    // Models send nothing at all for a tool without parameters.
    value = text.trim() === '' ? {} : JSON.parse(text)
  } catch (error) {
    return { refusal: badArguments(name, [`they are not JSON: ${messageOf(error)}`]) }
  }
  const result = parameters.safeParse(jsonSchema === undefined ? withoutNulls(value) : value)
  return result.success ? { args: result.data } : { refusal: badArguments(name, problemsOf(result.error)) }
}

/** Models write null for an optional parameter that they leave out. */
const withoutNulls = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
}

/** Not raced against the signal: a tool that answers for processes ends when they are dead. */
const runTool = async (
  tool: Tool,
  args: Record<string, unknown>,
  context: CallContext,
): Promise<ToolOutput> => {
  const limitMs = tool.timeoutMs(args)
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), limitMs)
  const signal = AbortSignal.any([context.signal, timeout.signal])
  try {
    signal.throwIfAborted()
    return await tool.run(args, { ...context, signal })
  } catch (error) {
    if (error instanceof LeaseLost) throw error
    if (context.signal.aborted) {
      return { content: 'Stopped before it was done; it may have partly taken effect.', error: 'cancelled' }
    }
    if (timeout.signal.aborted) return { content: `Stopped after ${limitMs / 1000} s.`, error: 'timeout' }
    return failureOutput(error, pathIn(args))
  } finally {
    clearTimeout(timer)
  }
}

const pathIn = (args: Record<string, unknown>): string | undefined => {
  const path = args['path'] ?? args['file_path']
  return typeof path === 'string' ? path : undefined
}

const capped = (output: ToolOutput): ToolOutput => {
  const { text, truncated } = capText(output.content)
  return truncated ? { ...output, content: text, truncated } : output
}
