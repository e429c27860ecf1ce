/** Judges the history of a chaos run: a table of rules, each of which the service has to keep whatever breaks. */
import { modelAnswers, noLapsedActivation } from './check-answers.ts'
import { children } from './check-children.ts'
import { costSums, modelCosts } from './check-costs.ts'
import { effectsInLease, effectsOnce } from './check-effects.ts'
import { type Finding, factsOf, type Rule, type Violation } from './check-facts.ts'
import { endsOnce, numbering, sessionOrder } from './check-log.ts'
import { readers } from './check-readers.ts'
import { cancels, deletions, submissions } from './check-requests.ts'
import { legalSteps } from './check-steps.ts'
import type { History } from './history.ts'

const leftovers: Rule = ({ history }) =>
  Object.entries(history.leftovers).flatMap(([name, left]): Finding[] =>
    left.length === 0 ? [] : [{ message: `left at the end: ${left.length} ${name}`, evidence: left }],
  )

const RULES = {
  ends_once: endsOnce,
  numbering,
  legal_steps: legalSteps,
  no_lapsed_activation: noLapsedActivation,
  effects_once: effectsOnce,
  effects_in_lease: effectsInLease,
  cancels,
  readers,
  children,
  session_order: sessionOrder,
  submissions,
  model_answers: modelAnswers,
  model_costs: modelCosts,
  cost_sums: costSums,
  leftovers,
  deletions,
} satisfies Record<string, Rule>

/** Empty: the service kept its word. Never throws for what the service did; an odd history is a violation. */
export const check = (history: History): Violation[] => {
  const facts = factsOf(history)
  return Object.entries(RULES).flatMap(([rule, judge]) =>
    judge(facts).map((finding) => ({ rule, ...finding })),
  )
}

export { formatViolations } from './check-report.ts'
