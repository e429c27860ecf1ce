/** The rules of a task that waits for children. */
import { isEnded } from '../../src/schemas/task.ts'
import type { Ticket } from '../../src/tasks/replies.ts'
import type { Ended } from './model-calls.ts'
import type { ModelTask } from './model-task.ts'

interface Rules {
  tasks: ReadonlyMap<string, ModelTask>
  isAtWork: (task: ModelTask) => boolean
  makeRunnable: (task: ModelTask) => Ticket[]
  end: (task: ModelTask, status: Ended) => Ticket[]
}

export const createFamilies = ({ tasks, isAtWork, makeRunnable, end }: Rules) => {
  const openChildren = (task: ModelTask) =>
    task.children.flatMap((id) => tasks.get(id) ?? []).filter(({ status }) => !isEnded(status))

  const startChildren = (task: ModelTask): Ticket[] => {
    const open = openChildren(task)
    const free = task.childLimit - open.filter(({ ticket }) => ticket > 0).length
    const held = open.filter(({ ticket }) => ticket === 0)
    return held.slice(0, Math.max(0, free)).flatMap(makeRunnable)
  }

  return {
    openChildren,
    startChildren,

    /** One of its children has ended. */
    goOn: (task: ModelTask): Ticket[] => {
      const stops = task.cancel !== null || task.overdue !== null
      if (openChildren(task).length > 0) return stops ? [] : startChildren(task)
      if (stops) return end(task, task.cancel === null ? 'failed' : 'cancelled')
      Object.assign(task, { status: 'pending', resumeReason: 'woken' })
      return makeRunnable(task)
    },

    /** Those at work end by themselves. */
    childrenOutOfTime: (task: ModelTask): Ticket[] =>
      openChildren(task)
        .filter((child) => !isAtWork(child))
        .flatMap((child) => end(child, child.cancel === null ? 'failed' : 'cancelled')),
  }
}

/** In the order of their making, children behind their parent. */
export const tasksOf = (tasks: ReadonlyMap<string, ModelTask>, session: string): ModelTask[] => {
  const all = [...tasks.values()].filter((task) => task.session === session)
  return all
    .filter(({ parent }) => parent === null)
    .flatMap((task) => [task, ...all.filter(({ parent }) => parent === task.id)])
}
