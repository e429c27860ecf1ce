/**
 * What the model is shown: the system prompt, the session's earlier tasks and this task's own steps, compressed where
 * they would not fit. Each compression is in the log before it is used, so a fold gives the same context every time.
 */
import type { LogEvent, LoggedEvent } from '../schemas/event.ts'
import type { AgentDeps, AgentRun } from './agent.ts'
import { type Block, compressed } from './context-compression.ts'
import { type Conversation, planCompression, settle } from './context-plan.ts'
import { lostText, type Summary, summarize } from './context-summary.ts'
import { answerTokens, roomIn } from './context-window.ts'
import { FINAL_REQUEST, messagesOf, taskBlocks, transcriptBlocks } from './fold.ts'
import type { ChatMessage, ToolSpec } from './model.ts'
import type { Meter } from './model-meter.ts'
import { asItIs, callModel, type Prepared, type RetryOutcome } from './model-retry.ts'
import { createEstimator, ratioOf } from './tokens.ts'

interface Asking {
  system: ChatMessage
  tools: readonly ToolSpec[]
  iteration: number
  /** The iterations are used up; the request closes with that. */
  last: boolean
}

export interface Context {
  /** Throws `LeaseLost` when a compression could not be logged. */
  prepare: (model: string, overflowed: boolean, asking: Asking) => Promise<Prepared>
  /** To be told what the provider counted for the request that was prepared last. */
  counted: (inputTokens: number) => void
}

export interface ContextParts {
  run: AgentRun
  deps: Pick<AgentDeps, 'windowOf' | 'calibration' | 'retry'>
  /** The task's own events, as they grow. */
  own: readonly LoggedEvent[]
  meter: Meter
  emit: (event: LogEvent) => void
}

/** What is left of a conversation that the provider refused, as a share of it. */
const AFTER_OVERFLOW = 0.6

export const createContext = ({ run, deps, own, meter, emit }: ContextParts): Context => {
  const { task } = run
  const earlier = transcriptBlocks(run.history, task.task_id)
  const final: ChatMessage = { role: 'user', content: FINAL_REQUEST }
  const estimate = createEstimator()
  let asked: { model: string; estimated: number } | undefined

  const fold = (events: readonly LoggedEvent[]): Block[] => {
    // `task_queued` opens the fold; a history handed over without it still gives the model its task.
    const queued = events.some((event) => event.event_type === 'task_queued')
    const goal: LoggedEvent = { event_type: 'task_queued', task: task.task }
    return taskBlocks(queued ? events : [goal, ...events], task.task_id, earlier)
  }

  /** From the count of this task's own last request where there is one: a fold of the log finds the same. */
  const ratioFor = (model: string, fixed: number): number => {
    const index = own.findLastIndex((event) => event.event_type === 'think_complete')
    const answer = own[index]
    if (answer?.event_type !== 'think_complete') return deps.calibration.ratio(model)
    const request = fixed + estimate.messages(messagesOf(fold(own.slice(0, index))))
    return ratioOf(answer.usage.input_tokens, request)
  }

  /** Our count of the shortest context that this model has refused in this task. */
  const refusedBy = (model: string): number =>
    own.reduce((least, event) => {
      const refusal = event.event_type === 'context_compression' && event.reason === 'overflow'
      return refusal && event.asked_model === model ? Math.min(least, event.tokens_before) : least
    }, Infinity)

  /** The results of the latest answer are new to the provider: its count of what was before may flatter them. */
  const count = (blocks: readonly Block[], fixed: number, ratio: number): number => {
    const latest = blocks.findLast((block) => block.kind === 'answer' && block.task_id === task.task_id)
    const fresh = latest ? estimate.messages(latest.messages.slice(1)) : 0
    const all = fixed + estimate.messages(messagesOf(blocks))
    return Math.ceil(ratio * (all - fresh) + Math.max(1, ratio) * fresh)
  }

  const prepare: Context['prepare'] = async (model, overflowed, { system, tools, iteration, last }) => {
    const ready = (blocks: readonly Block[], maxTokens: number): Prepared => {
      const messages = [system, ...messagesOf(blocks), ...(last ? [final] : [])]
      return { kind: 'ready', messages, maxTokens }
    }
    const window = await deps.windowOf(model)
    const blocks = fold(own)
    if (!Number.isFinite(window)) return overflowed ? { kind: 'full' } : ready(blocks, task.max_tokens)

    const fixed = estimate.messages([system, final]) + estimate.tools(tools)
    const ratio = ratioFor(model, fixed)
    const room = roomIn(window, task.max_tokens, fixed)
    const measure = (some: readonly Block[]) => count(some, fixed, ratio)
    const refused = Math.min(refusedBy(model), overflowed ? measure(blocks) : Infinity)
    const unavoidable = measure([])
    const limit = Math.floor(
      Math.min(room.limit, unavoidable + AFTER_OVERFLOW * Math.max(0, refused - unavoidable)),
    )
    const conversation: Conversation = { blocks, taskId: task.task_id, measure, limit }
    if (measure(blocks) > limit && limit > unavoidable) {
      const made = await compress(conversation, {
        model,
        // What was refused was too long for a summary's request as well.
        window: Math.min(window, refused),
        ratio,
        overflowed,
        iteration,
      })
      if (made === 'stopped') return { kind: 'stopped' }
      if (made === 'nothing' && overflowed) return { kind: 'full' }
    } else if (overflowed) return { kind: 'full' }
    const folded = fold(own)
    asked = { model, estimated: fixed + estimate.messages(messagesOf(folded)) }
    return ready(folded, room.maxTokens)
  }

  interface Occasion {
    model: string
    window: number
    ratio: number
    overflowed: boolean
    iteration: number
  }

  /** Logs what is given up; `nothing` when that would make the context no shorter. */
  const compress = async (conversation: Conversation, occasion: Occasion) => {
    const { blocks, taskId, measure } = conversation
    const { iteration, overflowed } = occasion
    const began = performance.now()
    const { compression, summarize: wanted } = planCompression(conversation)
    let summary: Summary | null = null
    if (wanted) {
      const room = Math.floor(
        (occasion.window * 0.75 - answerTokens(occasion.window)) / Math.max(1, occasion.ratio),
      )
      const call = (messages: ChatMessage[]) => callForSummary(messages, occasion)
      summary = await summarize({ ...wanted, goal: task.task, room, call })
      if (summary === null) return 'stopped'
      if (summary.failure)
        emit({ event_type: 'error', phase: 'context', ...summary.failure, recoverable: true })
      compression.summary = { to: wanted.to, text: summary.text }
    }
    const settled = settle(conversation, compression, lostText(blocks, 2_000))
    const after = compressed(blocks, settled, taskId)
    if (!summary && measure(after) >= measure(blocks)) return 'nothing'
    emit({
      event_type: 'context_compression',
      iteration,
      reason: overflowed ? 'overflow' : 'limit',
      asked_model: occasion.model,
      tokens_before: measure(blocks),
      tokens_after: measure(after),
      messages_before: messagesOf(blocks).length,
      messages_after: messagesOf(after).length,
      compression: settled,
      ...(summary && { usage: summary.usage, model_calls: summary.calls }),
      ...(summary?.model !== undefined && { model: summary.model }),
      duration: Math.round(performance.now() - began),
    })
    await run.emitter.commit()
    return 'logged'
  }

  /** A request of its own, without tools; its failures are told as one, of the context. */
  const callForSummary = (messages: ChatMessage[], { model, window }: Occasion): Promise<RetryOutcome> =>
    callModel(
      { tools: [], toolChoice: 'none', signal: run.signal, onDelta: () => {} },
      {
        meter,
        thinks: false,
        models: [model],
        throttle: run.throttle,
        policy: deps.retry ?? {},
        prepare: asItIs(messages, answerTokens(window)),
        emit: () => {},
        onTry: () => {},
        shouldPause: run.shouldPause,
        log: run.log,
      },
    )

  return {
    prepare,
    counted: (inputTokens) => {
      if (asked) deps.calibration.observe(asked.model, inputTokens, asked.estimated)
    },
  }
}
