/**
 * What to give up of a conversation that does not fit: first old tool outputs, oldest first; then the oldest
 * exchanges, for a summary of them; then, when one text alone is too long, its middle. Pure: plans are tried with the
 * same function that the fold applies.
 */
import type { Compression, ContextPosition } from '../schemas/event.ts'
import { type Block, compressed, endOf } from './context-compression.ts'

export interface Conversation {
  blocks: readonly Block[]
  /** The task under way. */
  taskId: string
  /** Tokens of a request with these blocks, system prompt and tools included. */
  measure: (blocks: readonly Block[]) => number
  /** Tokens the request may have. */
  limit: number
}

export interface Plan {
  compression: Compression
  /** What a summary must be written of, in about so many tokens at most, before the plan can be settled. */
  summarize?: { to: ContextPosition; blocks: Block[]; tokens: number }
}

/** A plan leaves this share of the free room in use, so that the next steps need none. */
const AIM = 0.7
/** The same for the exchanges that stay whole beside a summary. */
const AIM_BESIDE_SUMMARY = 0.45
/** Share of the free room that the results of the latest answer may take when there is not enough. */
const LATEST = 0.5
/** Characters that stay of a shortened output. */
const KEEP_CHARS = 300
const OUTPUT_CAPS = [16_000, 8_000, 4_000, 2_000, 1_000, 500, 250, 120, 40]
const TEXT_CAPS = [128_000, 64_000, 32_000, ...OUTPUT_CAPS]
/** Share of the room from which on the task's own text must give way as well. */
const GOAL_SHARE = 0.8
const MAX_SUMMARY_TOKENS = 2_000
const MIN_SUMMARY_TOKENS = 60

export const planCompression = (conversation: Conversation): Plan => {
  const { blocks, taskId, measure } = conversation
  const { base, free, aim } = roomOf(conversation)
  const latest = latestAnswer(conversation)
  const cap_outputs = latest && capFor(latest, taskId, (some) => measure(some) - measure([]) <= LATEST * free)
  const compression: Compression = cap_outputs === undefined ? {} : { cap_outputs }
  const fits = (plan: Compression, most: number) => measure(compressed(blocks, plan, taskId)) <= most
  if (fits(compression, aim)) return { compression }

  const old = blocks.filter((block) => block.kind === 'answer' && block !== latest)
  const shortened = (to: Block): Compression => ({
    ...compression,
    shorten: { to: positionOf(to), chars: KEEP_CHARS },
  })
  const shorten = firstThat(old, (block) => fits(shortened(block), aim))
  if (shorten) return { compression: shortened(shorten) }

  const last = old.at(-1)
  const most = last ? shortened(last) : compression
  const ends = summaryEnds(conversation, latest)
  const tokens = Math.round(Math.min(MAX_SUMMARY_TOKENS, Math.max(MIN_SUMMARY_TOKENS, free / 4)))
  const leaves = (to: Block): Compression => ({ ...most, summary: { to: positionOf(to), text: '' } })
  const end = firstThat(ends, (block) => fits(leaves(block), base + AIM_BESIDE_SUMMARY * free)) ?? ends.at(-1)
  if (!end) return { compression: most }
  const to = positionOf(end)
  const gone = blocks
    .slice(0, endOf(blocks, to))
    .filter((block) => block.kind !== 'task' || block.task_id !== taskId)
  // What is but a summary already says nothing more for being summed up again.
  if (gone.every((block) => block.kind === 'summary')) return { compression: most }
  return { compression: most, summarize: { to, blocks: gone, tokens } }
}

/** Makes a plan with all its texts fit: cuts what is left, and in the end gives up all but the task's text. */
export const settle = (conversation: Conversation, plan: Compression, lost: string): Compression => {
  const { blocks, taskId, measure, limit } = conversation
  const { aim } = roomOf(conversation)
  const fits = (compression: Compression, most: number) =>
    measure(compressed(blocks, compression, taskId)) <= most
  if (fits(plan, limit)) return plan
  const outputs = OUTPUT_CAPS.filter((cap) => cap < (plan.cap_outputs ?? Infinity)).map((cap) => ({
    ...plan,
    cap_outputs: cap,
  }))
  const cut = outputs.find((each) => fits(each, aim)) ?? outputs.find((each) => fits(each, limit))
  if (cut) return cut
  const least = outputs.at(-1) ?? plan
  const texts = TEXT_CAPS.map((cap_texts) => ({ ...least, cap_texts }))
  const cutTexts = texts.find((each) => fits(each, limit))
  if (cutTexts) return cutTexts
  const end = blocks.at(-1)
  if (!end) return plan
  const alone = { summary: { to: positionOf(end), text: lost } }
  return TEXT_CAPS.map((cap_texts) => ({ ...alone, cap_texts })).find((each) => fits(each, limit)) ?? alone
}

/** The task's own text is no part of the room that is free, unless it takes nearly all of it. */
const roomOf = ({ blocks, taskId, measure, limit }: Conversation) => {
  const fixed = measure([])
  const withGoal = measure(blocks.filter((block) => block.kind === 'task' && block.task_id === taskId))
  const base = withGoal - fixed <= GOAL_SHARE * (limit - fixed) ? withGoal : fixed
  const free = limit - base
  return { base, free, aim: base + AIM * free }
}

const latestAnswer = ({ blocks, taskId }: Conversation): Block | undefined =>
  blocks.findLast((block) => block.kind === 'answer' && block.task_id === taskId)

/** Undefined when nothing need be cut; the smallest cap when none is small enough. */
const capFor = (block: Block, taskId: string, fits: (some: Block[]) => boolean): number | undefined => {
  if (fits([block])) return undefined
  return (
    OUTPUT_CAPS.find((cap_outputs) => fits(compressed([block], { cap_outputs }, taskId))) ??
    OUTPUT_CAPS.at(-1)
  )
}

/** Where a summary may end: after any whole exchange but the latest, never between a task and what came of it. */
const summaryEnds = ({ blocks, taskId }: Conversation, latest: Block | undefined): Block[] => {
  const goal = blocks.findLastIndex((block) => block.kind === 'task' && block.task_id === taskId)
  const end = latest ? blocks.indexOf(latest) : goal < 0 ? blocks.length : goal
  return blocks
    .slice(0, end)
    .filter((block, index) => block.kind !== 'task' && endOf(blocks, positionOf(block)) === index + 1)
}

const positionOf = ({ task_id, answers }: Block): ContextPosition => ({ task_id, answers })

/** Of a list along which the answer turns once from no to yes. */
const firstThat = <T>(list: readonly T[], test: (item: T) => boolean): T | undefined => {
  let from = 0
  let to = list.length
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const item = list[middle]
    if (item !== undefined && test(item)) to = middle
    else from = middle + 1
  }
  return list[from]
}
