/** Following a task, or a session, to where it ends. */
import type { Connection, StreamEvent } from '../client/client.ts'
import { messageOf } from '../errors.ts'
import { EXIT } from './exit.ts'
import { onInterrupt } from './interrupt.ts'
import { jsonText, oneLine, printable } from './output.ts'
import type { Remote } from './remote.ts'
import { createRenderer } from './render.ts'
import { createScreen, type Screen } from './screen.ts'

export interface FollowOptions {
  json?: boolean
  quiet?: boolean
}

/** The service may be restarted meanwhile; after so long it is not coming back by itself. */
const GIVE_UP_MS = 120_000

/** Resolves to the exit code. `owned`: Ctrl-C offers to cancel the task; else it only ends the watching. */
export const followTask = async (
  { client }: Remote,
  taskId: string,
  { json = false, quiet = false, owned }: FollowOptions & { owned: boolean },
): Promise<number> => {
  using screen = createScreen({ json, quiet })
  const { render, said } = createRenderer(screen)
  const leaving = new AbortController()
  let wasCancelledHere = false
  const detach = () => leaving.abort(new Error('detached'))
  const cancel = () => {
    wasCancelledHere = true
    client.cancel(taskId).catch((error: unknown) => {
      wasCancelledHere = false
      screen.note(`it could not be cancelled: ${printable(messageOf(error))}`)
    })
  }
  screen.note(`task ${taskId}`)
  using interrupts = owned ? onInterrupt(screen, { cancel, detach }) : leaveAtInterrupt(detach)
  try {
    const how = { signal: leaving.signal, patienceMs: GIVE_UP_MS, onConnection: tellOf(screen) }
    for await (const event of client.events(taskId, how)) {
      await interrupts.answered()
      leaving.signal.throwIfAborted()
      if (json) printEvent(event)
      render(event)
      const code = exitCode(event)
      if (code === undefined) continue
      if (!json) printAnswer(screen, event, said())
      return code === EXIT.cancelled && wasCancelledHere ? EXIT.interrupted : code
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    screen.note(`left; the task goes on: alex watch ${taskId}`)
    return EXIT.interrupted
  }
  throw new Error('the stream ended before the task did')
}

/** Until Ctrl-C. */
export const followSession = async (
  { client }: Remote,
  session: string,
  { json = false, quiet = false, replay }: FollowOptions & { replay?: 'all' | 'none' },
): Promise<number> => {
  using screen = createScreen({ json, quiet })
  const { render, said } = createRenderer(screen)
  const leaving = new AbortController()
  using _ = leaveAtInterrupt(() => leaving.abort(new Error('detached')))
  try {
    const how = { signal: leaving.signal, patienceMs: GIVE_UP_MS, replay, onConnection: tellOf(screen) }
    for await (const event of client.events({ session }, how)) {
      if (json) printEvent(event)
      if (event.event_type === 'task_queued') screen.note(`task ${event.task_id}: ${oneLine(event.task)}`)
      render(event)
      if (!json && exitCode(event) !== undefined) printAnswer(screen, event, said())
    }
    return EXIT.done
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    return EXIT.interrupted
  }
}

const leaveAtInterrupt = (leave: () => void) => {
  process.once('SIGINT', leave)
  return {
    answered: () => Promise.resolve(),
    [Symbol.dispose]: () => void process.off('SIGINT', leave),
  }
}

/** A line when the connection breaks and one when it stands again, however often was tried in between. */
const tellOf = (screen: Screen) => {
  let isBroken = false
  return ({ state }: Connection): void => {
    if (state === 'broken' && !isBroken) screen.note('connection lost, trying again …')
    if (state === 'open' && isBroken) screen.note('connected again')
    isBroken = state === 'broken'
  }
}

/** Durable ones: pieces of text come whole in them. */
const printEvent = (event: StreamEvent): void => {
  if ('id' in event) process.stdout.write(`${jsonText(event)}\n`)
}

const exitCode = ({ event_type }: StreamEvent): number | undefined => {
  if (event_type === 'task_complete') return EXIT.done
  if (event_type === 'task_failed') return EXIT.failed
  return event_type === 'task_cancelled' ? EXIT.cancelled : undefined
}

const printAnswer = (screen: Screen, event: StreamEvent, said: string): void => {
  const answer =
    event.event_type === 'task_complete'
      ? event.final_answer
      : event.event_type === 'task_failed'
        ? (event.partial_answer ?? '')
        : ''
  if (answer !== '' && !(screen.speaks && answer === said)) screen.print(printable(answer))
}
