import { z } from 'zod'
import type { Todo } from '../../schemas/session.ts'
import { defineTool } from './tool.ts'

export const todoReadTool = defineTool({
  name: 'todo_read',
  description: "Read this session's todo list.",
  parameters: z.object({}),
  effect: 'read',
  timeoutMs: () => 10_000,
  run: async (_args, { todos }) => ({ content: renderTodos(await todos.read()) }),
})

const MARKS: Record<Todo['status'], string> = { pending: '[ ]', in_progress: '[~]', completed: '[x]' }

export const renderTodos = (todos: readonly Todo[]): string => {
  if (todos.length === 0) return 'The todo list is empty.'
  const done = todos.filter(({ status }) => status === 'completed').length
  const lines = todos.map(({ status, content }, index) => `${index + 1}. ${MARKS[status]} ${content}`)
  return `${lines.join('\n')}\n${done} of ${todos.length} completed.`
}
