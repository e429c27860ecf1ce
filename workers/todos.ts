/** The todo list of a session, as one activation may change it. */
import { z } from 'zod'
import type { TodoStore } from '../src/agent/tools/tool.ts'
import { LeaseLost } from '../src/errors.ts'
import { Todo } from '../src/schemas/session.ts'
import type { Lease, Store } from '../src/tasks/store.ts'

export const createTodos = (store: Store, sessionId: string, lease: Lease): TodoStore => ({
  async read() {
    const stored = await store.readTodos(sessionId)
    return stored === null ? [] : z.array(Todo).parse(JSON.parse(stored))
  },
  async write(todos) {
    const result = await store.writeTodos(lease, JSON.stringify(todos))
    if (result.verdict !== 'ok') throw new LeaseLost(result.why)
  },
})
