/**
 * Any interleaving of callers, repetitions and passing time, held against the model of the rules.
 * Longer: `MODEL_RUNS=5000`. A failure prints what was called, and its seed, path and replayPath; with these as
 * `MODEL_SEED`, `MODEL_PATH` and `MODEL_COMMANDS` it happens again (and with `MODEL_RUNS` it shrinks without a limit).
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { messageOf } from '../../src/errors.ts'
import { isEnded } from '../../src/schemas/task.ts'
import { openStore } from '../support/redis.ts'
import { createModel } from './model.ts'
import { commands } from './model-commands.ts'
import { createWorld, type World } from './model-world.ts'

const { MODEL_RUNS, MODEL_SEED, MODEL_PATH, MODEL_COMMANDS } = process.env
const QUICK_MS = 12_000
const LONG_MS = 3_600_000

test('whatever is called, by whom and how often: the store answers and holds what the rules say', {
  timeout: LONG_MS,
}, async () => {
  expect.hasAssertions()
  await fc.assert(
    fc.asyncProperty(commands(MODEL_COMMANDS), async (history) => {
      await using open = openStore({ leaseMs: LONG_MS })
      const world = createWorld(open, createModel())
      try {
        await world.start()
        await fc.asyncModelRun(() => ({ model: world.model, real: world }), history)
        await runToTheEnd(world)
      } catch (error) {
        throw new Error(`${world.story.join('\n')}\n${messageOf(error)}`, {
          cause: error,
        })
      }
    }),
    {
      numRuns: Number(MODEL_RUNS ?? 60),
      ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
      ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH }),
      ...(MODEL_RUNS === undefined ? { interruptAfterTimeLimit: QUICK_MS } : {}),
    },
  )
})

/** Nothing is stuck: with workers that take what the queue holds, every task ends and every deleted session goes. */
const runToTheEnd = async (world: World): Promise<void> => {
  const { model } = world
  const beat = () =>
    world.call({ name: 'beat', worker: 'last', random: model.tasks.size + rounds / 100, leases: [] })
  world.note('the end')
  let rounds = 0
  for (; [...model.tasks.values()].some(({ status }) => !isEnded(status)); rounds++) {
    expect(rounds, 'rounds until all has ended').toBeLessThan(100)
    await world.graceEnds()
    for (const task of model.tasks.values()) {
      if (task.status === 'running' && !task.lapsed) await world.leaseRunsOut(task)
      if ((task.scheduled || task.heldBack) && !model.due.has(task.id)) await world.comes(task)
    }
    world.ticketsCome()
    await beat()
    for (const job of model.queue) {
      const [task = '', n] = job.split('.')
      const activation = `last-${rounds}-${job}`
      const { verdict } = await world.call({ name: 'begin', task, n: Number(n), activation, worker: 'last' })
      await world.dropJob({ task_id: task, n: Number(n) })
      const seq = model.tasks.get(task)?.log.length ?? 0
      if (verdict === 'started' || verdict === 'resumed')
        await world.call({ name: 'finish', task, activation, seq, events: [], end: 'completed' })
    }
  }
  for (const session of model.sessions.keys()) await world.call({ name: 'deleteSession', session })
  for (const session of (await beat()).purge ?? []) await world.call({ name: 'purgeSession', session })
  expect(await world.keys(), 'keys left').toEqual([])
}
