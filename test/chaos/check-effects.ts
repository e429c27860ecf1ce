/** Rules about what the calls did outside: each at most once, all that the log claims, nothing out of time. */
import { CLOCK_MS, type Facts, type Finding, type Rule, succeeded, type Token } from './check-facts.ts'
import type { Effect } from './history.ts'

/**
 * A token takes effect at most once, in the way its plan says, and only when its call is in the log as started;
 * exactly once when its result in the log is a success. With an error, or interrupted, it may or may not have.
 */
export const effectsOnce: Rule = (facts) => {
  const { history, started, tokensIn, planned } = facts
  const byToken = Map.groupBy(history.effects, ({ token }) => token)
  const findings = [...byToken].flatMap(([text, effects]): Finding[] => {
    const [token] = tokensIn(text)
    const wrong = token
      ? wrongEffect(token, effects, facts)
      : 'an effect of an answer that the model never gave'
    if (wrong === undefined) return []
    return [{ ...placeOf(text, token, facts), message: `${text}: ${wrong}`, evidence: effects }]
  })
  for (const [text, { task, start, complete }] of started) {
    const [token] = tokensIn(text)
    if (!token || byToken.has(text) || !succeeded(complete)) continue
    const kind = planned(token)?.kind
    if (kind === undefined || kind === 'read' || kind === 'subagent') continue
    const { task_id, session_id } = task
    const message = `${text}: its result is a success, and it never took effect`
    findings.push({ task_id, session_id, message, evidence: [start, complete] })
  }
  return findings
}

const wrongEffect = (token: Token, effects: readonly Effect[], facts: Facts): string | undefined => {
  const { plans, started, planned, logOf, tasks } = facts
  if (effects.length > 1) return `took effect ${effects.length} times`
  const { kind } = effects[0] ?? {}
  const plan = planned(token)
  if (plan?.kind !== kind) return `took effect as ${kind}, planned was ${plan?.kind ?? 'nothing'}`
  const session = plans.get(token.marker)?.session_id ?? ''
  if (!logOf(session) || started.has(token.text)) return undefined
  const logged = [...tasks.values()].some(({ answers }) =>
    answers.some(({ calls }) => calls.some(({ tokens }) => tokens.some(({ text }) => text === token.text))),
  )
  return logged ? 'took effect, and the log has no start of it' : 'an effect of an answer that is in no log'
}

/** The task that a token belongs to, as far as it is known. */
const placeOf = (text: string, token: Token | undefined, { started, plans, tasks }: Facts) => {
  const marker = token?.marker ?? text.split('.')[0]
  const task =
    started.get(text)?.task ??
    [...tasks.values()].find((one) => one.marker === marker && marker !== undefined)
  const session_id = task?.session_id ?? plans.get(marker ?? '')?.session_id
  return { ...(task && { task_id: task.task_id }), ...(session_id !== undefined && { session_id }) }
}

/**
 * The counting server notes a request when its process comes to it, which on a busy machine is some time after
 * curl sent it; the other effects note their own time before they happen.
 */
const SLACK_MS: Record<Effect['kind'], number> = { ledger: CLOCK_MS, file: CLOCK_MS, http: 4 * CLOCK_MS }

/** No effect before its start is in the log, nor after its result, its task's next activation or its task's end. */
export const effectsInLease: Rule = ({ history, started }) =>
  history.effects.flatMap((effect): Finding[] => {
    const call = started.get(effect.token)
    if (!call) return []
    const { task, start, complete } = call
    const finding = (message: string, ...evidence: unknown[]) => [
      {
        task_id: task.task_id,
        session_id: task.session_id,
        message: `${effect.token}: ${message}`,
        evidence: [effect, ...evidence],
      },
    ]
    if (effect.at < start.at - CLOCK_MS) return finding('took effect before its start was in the log', start)
    const late = effect.at - SLACK_MS[effect.kind]
    const resumed = task.entries
      .slice(task.entries.indexOf(start))
      .find(({ type }) => type === 'task_resumed')
    if (resumed && late > resumed.at)
      return finding('took effect after the task went on elsewhere', start, resumed)
    if (task.end && late > task.end.at)
      return finding('took effect after its task had ended', start, task.end)
    if (complete && succeeded(complete) && late > complete.at)
      return finding('took effect after its result was in the log', start, complete)
    return []
  })
