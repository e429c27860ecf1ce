import { z } from 'zod'

export const Todo = z.object({
  content: z.string().min(1),
  status: z.enum(['pending', 'in_progress', 'completed']),
  activeForm: z.string().optional(),
})
export type Todo = z.infer<typeof Todo>

export const SessionSummary = z.object({
  session_id: z.string(),
  title: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  task_count: z.number().int(),
  active_task_id: z.string().exactOptional(),
  /** Of answered model calls whose price is known. */
  cost_usd: z.number().exactOptional(),
})
export type SessionSummary = z.infer<typeof SessionSummary>

/** One line of the conversation as a person reads it. */
export const SessionMessage = z.object({
  role: z.enum(['user', 'assistant', 'tool']),
  content: z.string(),
  task_id: z.string(),
  /** Present on `assistant` lines that asked for tools. */
  tool_calls: z.array(z.object({ call_id: z.string(), tool_name: z.string() })).exactOptional(),
  /** Present on `tool` lines. */
  call_id: z.string().exactOptional(),
  tool_name: z.string().exactOptional(),
})
export type SessionMessage = z.infer<typeof SessionMessage>

export const Session = SessionSummary.extend({
  messages: z.array(SessionMessage),
  todos: z.array(Todo),
})
export type Session = z.infer<typeof Session>

/** A session that a task still uses is purged as soon as it has let go. */
export const SessionDeleting = z.object({ message: z.string(), session_id: z.string() })
export type SessionDeleting = z.infer<typeof SessionDeleting>

/** The answer of a fork. */
export const SessionForked = z.object({
  session_id: z.string(),
  forked_from: z.string(),
  title: z.string(),
})
export type SessionForked = z.infer<typeof SessionForked>
