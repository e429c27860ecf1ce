/** What a conversation is made of on the screen. */
import type { LiveText } from './live-text.ts'

interface Placed {
  /** Unique and the same after a reload. */
  key: string
  taskId: string
  /** RFC 3339. */
  at: string
}

export interface PromptItem extends Placed {
  kind: 'prompt'
  text: string
  parentTaskId?: string
}

/** One model answer, from the moment the iteration begins. */
export interface StepItem extends Placed {
  kind: 'step'
  iteration: number
  maxIterations: number
  answer: LiveText
  /** Its text is still coming in. */
  live: boolean
  model?: string
  tokens?: number
  costUsd?: number
  durationMs?: number
  toolCalls?: number
}

export interface ToolItem extends Placed {
  kind: 'tool'
  iteration: number
  callId: string
  toolName: string
  arguments: unknown
  effect: string
  output: LiveText
  /** Present when the call has ended. */
  result?: string
  error?: string
  interrupted?: boolean
  truncated?: boolean
  durationMs?: number
}

export interface NoteItem extends Placed {
  kind: 'note'
  tone: 'info' | 'warning' | 'error'
  text: string
  /** Longer text that belongs to it. */
  detail?: string
}

export interface EndItem extends Placed {
  kind: 'end'
  outcome: 'completed' | 'failed' | 'cancelled'
  text: string
  /** An answer that no step has shown as it is. */
  answer?: string
  iterations: number
  tokens: number
  costUsd?: number
  durationMs: number
}

export type Item = PromptItem | StepItem | ToolItem | NoteItem | EndItem

export interface TaskProgress {
  status: 'pending' | 'running' | EndItem['outcome']
  /** Of the last event that was applied. */
  seq: number
  iteration: number
  maxIterations: number
  tokens: number
  costUsd: number
  startedAt?: string
  worker?: string
  durationMs?: number
}

export interface Conversation {
  /** In the order in which they began. */
  items: readonly Item[]
  tasks: ReadonlyMap<string, TaskProgress>
  /** Where each key stands in `items`. */
  places: ReadonlyMap<string, number>
}

/** A conversation that may be changed, for the length of one `withEvents`. */
export interface Draft {
  put: (item: Item) => void
  find: <K extends Item['kind']>(kind: K, key: string) => Extract<Item, { kind: K }> | undefined
  progress: (taskId: string) => TaskProgress
  setProgress: (taskId: string, change: Partial<TaskProgress>) => void
}

export const stepKey = (taskId: string, iteration: number): string => `${taskId}/step/${iteration}`
export const toolKey = (taskId: string, callId: string): string => `${taskId}/call/${callId}`
