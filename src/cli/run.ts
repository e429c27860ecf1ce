/** `run "task"`: submits a task, follows it to its end, leaves with a code that says how it ended. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadConfigOrExit } from '../config.ts'
import { messageOf } from '../errors.ts'
import { CreateTask, TaskCreated } from '../schemas/task.ts'
import { type Frame, followTask, problemText, Refused } from './follow.ts'
import { createRenderer, printable } from './render.ts'
import { createServer, type Server } from './server.ts'

const USAGE = `usage: run "what to do" [--session ID] [--agent-preset NAME] [--tool-preset NAME] [--model NAME]
           [--max-iterations N] [--url http://…] [--json]`

const EXIT = { completed: 0, failed: 1, refused: 2, cancelled: 130 } as const

const options = {
  session: { type: 'string' },
  'agent-preset': { type: 'string' },
  'tool-preset': { type: 'string' },
  model: { type: 'string' },
  'max-iterations': { type: 'string' },
  url: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** Resolves to the exit code: 0 completed, 1 failed, 2 refused, 130 cancelled. */
export const run = async (args: string[]): Promise<number> => {
  const asked = readArguments(args)
  if ('problem' in asked) return refuse(`${asked.problem}\n${USAGE}`)
  const { config, warnings } = loadConfigOrExit({ argv: [] })
  for (const warning of warnings) process.stderr.write(`${warning}\n`)
  const server = createServer(config, asked.url)
  try {
    const taskId = await submit(server, asked.body)
    return await follow(server, taskId, asked.json)
  } catch (error) {
    if (error instanceof Refused) return refuse(error.message)
    process.stderr.write(`${messageOf(error)}\n`)
    return EXIT.failed
  }
}

const refuse = (message: string): number => {
  process.stderr.write(`${message}\n`)
  return EXIT.refused
}

const readArguments = (args: string[]) => {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const iterations = values['max-iterations']
    const body = CreateTask.safeParse({
      task: positionals.join(' '),
      session_id: values.session,
      agent_preset: values['agent-preset'],
      tool_preset: values['tool-preset'],
      model: values.model,
      max_iterations: iterations === undefined ? undefined : Number(iterations),
    })
    if (body.success) return { body: body.data, json: values.json, url: values.url }
    return {
      problem: body.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'),
    }
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

const ATTEMPTS = 5

/** Repeats what may not have arrived: the key makes the second the same as the first. */
const submit = async (server: Server, body: CreateTask): Promise<string> => {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': randomUUID() }
  for (let attempt = 1; ; attempt++) {
    const response = await server
      .request('/api/tasks', { method: 'POST', headers, body: JSON.stringify(body) })
      .catch(() => null)
    if (response?.ok) return TaskCreated.parse(await response.json()).task_id
    if (response !== null && response.status < 500 && response.status !== 429)
      throw new Refused(await problemText(response))
    if (attempt === ATTEMPTS)
      throw new Error(response === null ? `nobody answers at ${server.url}` : await problemText(response))
    await sleep(500 * attempt)
  }
}

const follow = async (server: Server, taskId: string, json: boolean): Promise<number> => {
  const watched = process.stdout.isTTY && !json
  const { render, said } = createRenderer({
    note: (text) => void process.stderr.write(text),
    stream: process.stderr,
    ...(watched ? { speak: (text: string) => void process.stdout.write(text) } : {}),
  })
  process.stderr.write(`task ${taskId}\n`)
  const stopListening = cancelOnInterrupt(server, taskId)
  try {
    for await (const frame of followTask(server, taskId)) {
      if (json && frame.durable) process.stdout.write(`${frame.data}\n`)
      if (frame.event !== null) render(frame.event)
      const code = exitCode(frame)
      if (code === undefined) continue
      if (!json) showAnswer(frame, watched ? said() : '')
      return code
    }
    throw new Error('the stream ended before the task did')
  } finally {
    stopListening()
  }
}

const exitCode = ({ event_type }: Frame): number | undefined => {
  if (event_type === 'task_complete') return EXIT.completed
  if (event_type === 'task_failed') return EXIT.failed
  return event_type === 'task_cancelled' ? EXIT.cancelled : undefined
}

const showAnswer = ({ event }: Frame, alreadySaid: string): void => {
  const answer =
    event?.event_type === 'task_complete'
      ? event.final_answer
      : event?.event_type === 'task_failed'
        ? (event.partial_answer ?? '')
        : ''
  if (answer !== '' && answer !== alreadySaid) process.stdout.write(`${printable(answer)}\n`)
}

/** The first Ctrl-C cancels the task, whose end is still followed; the second leaves at once. */
const cancelOnInterrupt = (server: Server, taskId: string): (() => void) => {
  let asked = false
  const onInterrupt = () => {
    if (asked) process.exit(EXIT.cancelled)
    asked = true
    process.stderr.write('\ncancelling … (Ctrl-C again to leave at once)\n')
    server.request(`/api/tasks/${taskId}/cancel`, { method: 'POST' }).catch((error: unknown) => {
      process.stderr.write(`it could not be cancelled: ${messageOf(error)}\n`)
    })
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, onInterrupt)
  return () => signals.forEach((signal) => process.off(signal, onInterrupt))
}
