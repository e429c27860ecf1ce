import { z } from 'zod'

export const Todo = z.object({
  content: z.string().min(1),
  status: z.enum(['pending', 'in_progress', 'completed']),
  activeForm: z.string().optional(),
})
export type Todo = z.infer<typeof Todo>

export interface SessionSummary {
  session_id: string
  title: string
  created_at: string
  updated_at: string
  task_count: number
  active_task_id?: string
  /** Of answered model calls whose price is known. */
  cost_usd?: number
}

/** One line of the conversation as a person reads it. */
export interface SessionMessage {
  role: 'user' | 'assistant' | 'tool'
  content: string
  task_id: string
  /** Present on `assistant` lines that asked for tools. */
  tool_calls?: { call_id: string; tool_name: string }[]
  /** Present on `tool` lines. */
  call_id?: string
  tool_name?: string
}

export interface Session extends SessionSummary {
  messages: SessionMessage[]
  todos: Todo[]
}

/** The answer of a fork. */
export const SessionForked = z.object({
  session_id: z.string(),
  forked_from: z.string(),
  title: z.string(),
})
export type SessionForked = z.infer<typeof SessionForked>
