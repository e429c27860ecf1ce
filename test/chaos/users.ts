/** Who uses the service in a run: submits at its time, watches some, cancels some, deletes a session now and then. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from './client.ts'
import type { PlannedTask } from './plan.ts'
import type { Random } from './random.ts'
import type { createReaders, Manner } from './readers.ts'
import type { Settings } from './settings.ts'

interface Options {
  client: Client
  readers: ReturnType<typeof createReaders>
  random: Random
  settings: Settings
  startedAt: number
}

const CANCELLED = 0.11
const CANCELLED_CALM = 0.3
const WATCHED = 0.15
const DELETED_PER_MINUTE = 1
const MANNERS: readonly Manner[] = ['steady', 'slow', 'restless']

export const createUsers = ({ client, readers, random, settings, startedAt }: Options) => {
  const watchedSessions = new Set<string>()
  /** Per session, the submissions that were or will be made to it. */
  const submitted = new Map<string, Promise<unknown>[]>()
  const until = (at: number) => pause(Math.max(0, at - Date.now()))

  const submit = async (task: PlannedTask, chances: { cancelAfter?: number; watch?: Manner }) => {
    const answered = until(startedAt + task.atMs).then(() => client.submit(task))
    submitted.set(task.session_id, [...(submitted.get(task.session_id) ?? []), answered])
    const task_id = await answered
    if (task_id === undefined) return
    if (chances.watch) readers.follow(`task ${task.marker}`, { task_id }, chances.watch)
    if (chances.cancelAfter === undefined) return
    await pause(chances.cancelAfter)
    await client.cancel(task_id)
  }

  const watchSession = (session_id: string) => {
    if (watchedSessions.has(session_id)) return
    watchedSessions.add(session_id)
    if (random.chance(0.5)) readers.follow(`session ${session_id}`, { session_id }, random.pick(MANNERS))
  }

  const removeSessions = async (tasks: readonly PlannedTask[]) => {
    if (settings.calm) return
    const times = Math.max(1, Math.round(DELETED_PER_MINUTE * settings.minutes))
    const victims = random.shuffled([...new Set(tasks.map((task) => task.session_id))]).slice(0, times)
    await Promise.all(
      victims.map(async (session_id) => {
        // While its last task is likely to be at work; nothing is submitted to it afterwards.
        await Promise.all(submitted.get(session_id) ?? [])
        await pause(random.between(50, 1500))
        await client.remove(session_id)
      }),
    )
  }

  return {
    /** Resolves when all has been asked for and answered. */
    async run(tasks: readonly PlannedTask[]): Promise<void> {
      const submitting = tasks.map((task) => {
        watchSession(task.session_id)
        const cancelled = random.chance(settings.calm ? CANCELLED_CALM : CANCELLED)
        const watched = random.chance(WATCHED)
        return submit(task, {
          ...(cancelled ? { cancelAfter: random.between(0, 2500) } : {}),
          ...(watched ? { watch: random.pick(MANNERS) } : {}),
        })
      })
      await Promise.all([...submitting, removeSessions(tasks)])
    },
  }
}
