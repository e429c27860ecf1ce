import { z } from 'zod'
import { Todo } from '../../schemas/session.ts'
import { renderTodos } from './todo-read.ts'
import { defineTool } from './tool.ts'

export const todoUpdateTool = defineTool({
  name: 'todo_update',
  description:
    "Replace this session's todo list as a whole. Use it for work of three or more steps; keep exactly one item " +
    'in_progress, and mark an item completed as soon as it is done.',
  parameters: z.object({
    todos: z.array(Todo).max(100).describe('The whole list, in the order of work'),
  }),
  effect: 'write',
  timeoutMs: () => 10_000,
  async run({ todos }, context) {
    context.assertLease()
    await context.todos.write(todos)
    return { content: renderTodos(todos) }
  },
})
