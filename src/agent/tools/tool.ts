/** What a tool is. Registration, presets and execution live beside this file, one concept a file. */
import type { z } from 'zod'
import type { Effect } from '../../schemas/event.ts'
import type { Todo } from '../../schemas/session.ts'
import type { TaskStatus } from '../../schemas/task.ts'
import type { Ask } from '../ask.ts'
import type { Guard } from './guard.ts'

/** What a tool may use. Everything it does ends when `signal` aborts. */
export interface ToolContext {
  /** Absolute, real path of the session's workspace. */
  workspace: string
  /** Unique across tasks and attempts: `<task_id>/<attempt>/<call_id>`. */
  callKey: string
  signal: AbortSignal
  /**
   * Throws `LeaseLost` once this activation may no longer own the task (its own monotonic clock).
   * Call it at the last moment before an effect inside this process.
   */
  assertLease: () => void
  /** Live output for watchers; dropped when nobody can take it. */
  stream: (chunk: string) => void
  guard: Guard
  ask: Ask
  todos: TodoStore
  /** Of a durable tool: the first time it makes the children, and when they have ended it tells what they answered. */
  delegate?: (subtasks: readonly string[], options: DelegateOptions) => Promise<'waiting' | SubtaskResult[]>
}

/** What a call has besides: the tool preset it runs under. */
export interface CallContext extends ToolContext {
  preset: string
}

export interface DelegateOptions {
  /** How many run at a time. */
  maxWorkers: number
}

export interface SubtaskResult {
  task_id: string
  status: TaskStatus
  /** The whole one, or the best there was when it ended early. */
  answer?: string
  /** Why it did not complete. */
  why?: string
}

/** The session's todo list. `write` is fenced: it throws `LeaseLost` for an activation that lost its task. */
export interface TodoStore {
  read(): Promise<Todo[]>
  write(todos: Todo[]): Promise<void>
}

/** `content` is what the model reads; `error` says in a few words why the call failed. */
export interface ToolOutput {
  content: string
  error?: string
  truncated?: boolean
  /** Of a durable tool: there is no result yet, the task waits for its children. */
  waiting?: boolean
}

export interface Tool<Schema extends z.ZodObject = z.ZodObject> {
  name: string
  /** Shown to the model. */
  description: string
  parameters: Schema
  /** What the model is shown instead of `parameters`; the arguments then reach `run` as the model gave them. */
  jsonSchema?: Record<string, unknown>
  effect: Effect
  /** False: not shown to the model now, but a call of it is still carried out, to say why. */
  offered?: boolean
  /** Milliseconds after which the call is aborted and answered with an error. */
  timeoutMs(args: z.infer<Schema>): number
  /** May throw: the registry turns everything but `LeaseLost` and an abort into a result. */
  run(args: z.infer<Schema>, context: CallContext): Promise<ToolOutput>
}

/** Tools that come and go while the worker runs. */
export interface ToolSource {
  /** In the order they are offered; the same array for as long as nothing has changed. */
  tools(): readonly Tool[]
  /** Of a name it would give to a tool, though there is none now. */
  owns(name: string): boolean
}

/** Keeps `args` typed by the tool's own schema. */
export const defineTool = <Schema extends z.ZodObject>(tool: Tool<Schema>): Tool<Schema> => tool
