/** What may happen next, drawn at random: who calls what, how often it is sent, and what time does meanwhile. */
import * as fc from 'fast-check'
import { isEnded } from '../../src/schemas/task.ts'
import type { Model } from './model.ts'
import type { Call, EventName, Holding } from './model-calls.ts'
import type { ModelTask } from './model-task.ts'
import { SESSIONS, type World } from './model-world.ts'

type Command = fc.AsyncCommand<Model, World>

/** Draws of one command. What they pick from depends on what there is by then, so they are only numbers. */
const draw = fc.record({
  pick: fc.nat(1000),
  worker: fc.constantFrom('w1', 'w2', 'w3'),
  session: fc.constantFrom(...SESSIONS),
  times: fc.constantFrom(1, 1, 2, 3),
  dies: fc.constantFrom(false, false, false, true),
  /** Who does what he should not: one that lost its task, a stale ticket, a wrong seq. */
  wrong: fc.constantFrom(false, false, false, true),
  events: fc.array(
    fc.constantFrom<EventName>(
      'iteration_start',
      'iteration_start',
      'model_call_start',
      'model_call_start',
      'model_call_end',
      'think_complete',
      'think_complete',
      'iteration_complete',
    ),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  random: fc.nat(9999).map((n) => n / 10_000),
})
type Draw = typeof draw extends fc.Arbitrary<infer T> ? T : never

/** `null`: there is nothing to do it with. */
type Move = (world: World, draw: Draw) => Promise<unknown> | null

const pickOf = <T>(from: readonly T[], pick: number): T | undefined => from[pick % from.length]
const tasksOf = ({ model }: World, which: (task: ModelTask) => boolean) =>
  [...model.tasks.values()].filter(which)

/** The call made, unless there was nothing to make it of. */
const calls =
  (callOf: (world: World, draw: Draw) => Call | undefined): Move =>
  (world, drawn) => {
    const call = callOf(world, drawn)
    return call ? world.call(call, drawn) : null
  }

const holdingOf = (world: World, { wrong, pick }: Draw): Holding | undefined => {
  const { made, model } = world
  const now = made.activations.filter(
    ({ task, activation }) => model.tasks.get(task)?.activation === activation,
  )
  return pickOf(wrong || now.length === 0 ? made.activations : now, pick)
}

const seqFor = (world: World, { task }: Holding, { wrong, pick }: Draw) =>
  (world.model.tasks.get(task)?.log.length ?? 1) + (wrong ? (pick % 4) - 2 : 0)

const passes =
  (
    which: (task: ModelTask, world: World) => boolean,
    pass: (world: World, task: ModelTask) => Promise<void>,
  ): Move =>
  (world, { pick }) => {
    const task = pickOf(
      tasksOf(world, (one) => which(one, world)),
      pick,
    )
    return task ? pass(world, task).then(world.look) : null
  }

/** All of a loss up to the task's next begin. */
const loseAndBeginAgain = async (world: World, task: ModelTask, drawn: Draw) => {
  const { random, pick, times } = drawn
  const beat = (n: number) =>
    world.call({ name: 'beat', worker: 'other', random: (random + n) / 2, leases: [] }, { times })
  if (!task.lapsed) await world.leaseRunsOut(task)
  await beat(0)
  // Whoever gave it to this or another activation before may hear of it only now.
  const earlier = pickOf(
    world.made.calls.filter((call) => 'task' in call && call.task === task.id && call.name !== 'cancel'),
    pick,
  )
  if (earlier) await world.call(earlier, drawn)
  await beat(1)
  const n = task.ticket
  const activation = `other-${world.made.activations.length + 1}`
  await world.call({ name: 'begin', task: task.id, n, activation, worker: 'other' }, { times })
  await world.dropJob({ task_id: task.id, n })
}

const MOVES = {
  create: calls((world, { session, pick, random }) => ({
    name: 'create',
    task: `t${String(world.made.tasks.length + 1).padStart(3, '0')}`,
    session,
    priority: pick % 10,
    scheduled: random > 0.8,
    ...(pick % 3 === 0 ? { idem: { key: `k${pick % 4}`, hash: pick % 5 === 0 ? 'other' : 'body' } } : {}),
  })),
  begin: calls((world, { worker, wrong, pick, session }) => {
    const [task = '', n] = pickOf([...world.model.queue], pick)?.split('.') ?? []
    const some = pickOf(
      tasksOf(world, () => true),
      pick,
    )
    const activation = `${worker}-${world.made.activations.length + 1}`
    if (wrong && some)
      return { name: 'begin', task: some.id, n: some.ticket + 1 - (pick % 3), activation, worker }
    if (wrong) return { name: 'begin', task: `nobody-${session}`, n: 1, activation, worker }
    return n === undefined ? undefined : { name: 'begin', task, n: Number(n), activation, worker }
  }),
  /** As a worker does it: the job goes when the call is answered. */
  work: (world, drawn) => {
    const [task_id = '', number] = pickOf([...world.model.queue], drawn.pick)?.split('.') ?? []
    if (number === undefined) return null
    const n = Number(number)
    const activation = `${drawn.worker}-${world.made.activations.length + 1}`
    const call: Call = { name: 'begin', task: task_id, n, activation, worker: drawn.worker }
    return world.call(call, drawn).then(() => world.dropJob({ task_id, n }))
  },
  append: calls((world, drawn) => {
    const holding = holdingOf(world, drawn)
    return holding && { name: 'append', ...holding, seq: seqFor(world, holding, drawn), events: drawn.events }
  }),
  finish: calls((world, drawn) => {
    const holding = holdingOf(world, drawn)
    const end = pickOf(['completed', 'completed', 'failed', 'cancelled'] as const, drawn.pick) ?? 'failed'
    return (
      holding && { name: 'finish', ...holding, seq: seqFor(world, holding, drawn), events: drawn.events, end }
    )
  }),
  delegate: calls((world, drawn) => {
    const holding = holdingOf(world, drawn)
    // The loop makes no children below a child.
    if (!holding || world.model.tasks.get(holding.task)?.parent !== null) return undefined
    const [count, limit] = [1 + (drawn.pick % 4), 1 + (drawn.pick % 3)]
    return { name: 'delegate', ...holding, seq: seqFor(world, holding, drawn), count, limit }
  }),
  release: calls((world, drawn) => {
    const holding = holdingOf(world, drawn)
    return holding && { name: 'release', ...holding, reason: drawn.pick % 2 ? 'drained' : 'worker_lost' }
  }),
  cancel: calls((world, { pick, wrong }) => {
    const task = pickOf(
      tasksOf(world, ({ status }) => wrong || !isEnded(status)),
      pick,
    )
    return task && { name: 'cancel', task: task.id, reason: `no ${pick}` }
  }),
  beat: calls((world, { worker, random, pick, wrong }) => ({
    name: 'beat',
    worker,
    random,
    leases: world.made.activations.filter(({ task, activation }, i) =>
      wrong ? (i + pick) % 3 === 0 : activation.startsWith(worker) && !world.model.tasks.get(task)?.lapsed,
    ),
  })),
  deleteSession: calls((_, { session, random }) =>
    random < 0.3 ? { name: 'deleteSession', session } : undefined,
  ),
  purgeSession: calls(({ model }, { session, pick, wrong }) => {
    const deleted = SESSIONS.filter((id) => model.sessions.get(id)?.deleted)
    return { name: 'purgeSession', session: (wrong ? undefined : pickOf(deleted, pick)) ?? session }
  }),
  /** Sent again late: others did what they did in between. */
  again: calls(({ made, model }, { pick, random }) => {
    // Who creates a task does not wait for an answer until its session was deleted and has gone.
    const candidates = made.calls.filter((call) => call.name !== 'create' || model.tasks.has(call.task))
    return pickOf(random < 0.7 ? candidates.slice(-8) : candidates, pick)
  }),

  leaseRunsOut: passes(
    ({ status, lapsed }) => status === 'running' && !lapsed,
    (world, task) => world.leaseRunsOut(task),
  ),
  isLostAndBegunAgain: (world, drawn) => {
    const task = pickOf(
      tasksOf(world, ({ status }) => status === 'running'),
      drawn.pick,
    )
    return task ? loseAndBeginAgain(world, task, drawn) : null
  },
  /** Two tasks lose their workers in a row and come back to the same one. */
  suspectsMeet: (world, drawn) => {
    const [one, two] = tasksOf(world, ({ status }) => status === 'running')
    if (!one || !two) return null
    const loseBothTwice = async () => {
      for (const task of [one, two, one, two])
        if (task.status === 'running') await loseAndBeginAgain(world, task, drawn)
    }
    return loseBothTwice()
  },
  aloneEnds: passes(
    ({ status, aloneOver }) => !isEnded(status) && !aloneOver,
    (world, task) => world.aloneEnds(task),
  ),
  timeIsUp: passes(
    ({ status, attempt, overdue }) => attempt > 0 && !isEnded(status) && overdue === null,
    (world, task) => world.timeIsUp(task),
  ),
  comes: passes(
    (task, { model }) => (task.scheduled || task.heldBack) && !model.due.has(task.id),
    (world, task) => world.comes(task),
  ),
  sessionComes: (world, { session }) =>
    world.model.sessions.get(session)?.deleted ? world.sessionComes(session) : null,
  ticketsCome: (world) => Promise.resolve(world.ticketsCome()),
  jobIsLost: (world, { pick }) => {
    const [task_id, n] = pickOf([...world.model.queue], pick)?.split('.') ?? []
    return task_id === undefined ? null : world.dropJob({ task_id, n: Number(n) })
  },
  fleetIsSilent: ({ model }) => Promise.resolve((model.fleet.silent = true)),
  graceEnds: (world) => (world.model.fleet.grace ? world.graceEnds() : null),
} satisfies Record<string, Move>

type Name = keyof typeof MOVES

const commandOf = (name: Name, drawn: Draw): Command => ({
  // Whether there is anything to do it with is only known in the world; a move without is one that does nothing.
  check: () => true,
  async run(_, world) {
    world.note(name)
    await MOVES[name](world, drawn)
  },
  toString: () => name,
})

/** How often each is drawn: most of life is work, and every worker is lost sooner or later. */
const WEIGHTS: Record<Name, number> = {
  create: 5,
  work: 8,
  begin: 2,
  append: 5,
  finish: 3,
  delegate: 4,
  release: 3,
  cancel: 2,
  beat: 9,
  deleteSession: 1,
  purgeSession: 1,
  again: 6,
  leaseRunsOut: 5,
  isLostAndBegunAgain: 5,
  suspectsMeet: 2,
  aloneEnds: 1,
  timeIsUp: 1,
  comes: 4,
  sessionComes: 1,
  ticketsCome: 2,
  jobIsLost: 1,
  fleetIsSilent: 1,
  graceEnds: 1,
}

/** Long histories from the first run on. */
export const commands = (replayPath: string | undefined) =>
  fc.noBias(
    fc.commands(
      Object.entries(WEIGHTS).flatMap(([name, weight]) =>
        Array.from({ length: weight }, () => draw.map((drawn) => commandOf(name as Name, drawn))),
      ),
      { maxCommands: 120, size: 'max', ...(replayPath === undefined ? {} : { replayPath }) },
    ),
  )
