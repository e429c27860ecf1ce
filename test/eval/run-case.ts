/** One case, once: its repository, its task through the API to the end, its check, and what it took. */
import { randomBytes } from 'node:crypto'
import type { SessionCost } from '../../src/schemas/cost.ts'
import type { TaskSummary } from '../../src/schemas/task.ts'
import type { EvalCase } from './case.ts'
import type { Service } from './service.ts'
import { createWorkspace } from './workspace.ts'

/** `unknown` when the price of a call is not known. */
export type Cost = number | 'unknown'

export interface CaseResult {
  case: string
  /** Counts from 1 with `--repeat`. */
  run: number
  success: boolean
  why_not: string[]
  /** Of the task and its subagents together, as all that follows. */
  iterations: number
  tool_calls: number
  tokens: number
  /** USD; calls that were not answered are in it as estimates. */
  cost_usd: Cost
  seconds: number
  session_id: string
  answer: string
}

export interface RunOptions {
  service: Service
  /** Absent: what the service is configured for. */
  model?: string
  run: number
  maxIterations: number
  timeoutS: number
}

/** Rejects only when the service itself fails: a task that fails is a result. */
export const runCase = async (evalCase: EvalCase, options: RunOptions): Promise<CaseResult> => {
  const { service, model, run, maxIterations, timeoutS } = options
  const sessionId = `${evalCase.name}-${randomBytes(4).toString('hex')}`
  const workspace = await createWorkspace(service.workspaceOf(sessionId), evalCase)
  const began = performance.now()
  const { task_id } = await service.submit({
    task: evalCase.task,
    session_id: sessionId,
    agent_preset: evalCase.agent_preset,
    tool_preset: evalCase.tool_preset,
    max_iterations: maxIterations,
    timeout_s: timeoutS,
    ...(model === undefined ? {} : { model }),
  })
  const ended = await service.ended(task_id)
  const seconds = (performance.now() - began) / 1000
  const [tasks, cost] = await Promise.all([service.tasksOf(sessionId), service.costOf(sessionId)])
  const answer = ended.result?.answer ?? ''
  const children = tasks.filter(({ parent_task_id }) => parent_task_id === task_id)
  const why_not = [
    ...(ended.status === 'completed'
      ? []
      : [`the task ${ended.status}: ${ended.error?.message ?? ended.message}`]),
    ...(await checked(() => evalCase.check({ workspace, answer, children }))),
  ]
  return {
    case: evalCase.name,
    run,
    success: why_not.length === 0,
    why_not,
    iterations: sum(tasks, ({ current_iteration }) => current_iteration),
    tool_calls: sum(tasks, ({ usage }) => usage.tool_calls),
    tokens: cost.total_tokens + (cost.estimated_tokens ?? 0),
    cost_usd: costOf(cost),
    seconds: Math.round(seconds * 10) / 10,
    session_id: sessionId,
    answer,
  }
}

/** A workspace can be left in a state that a check did not think of. */
const checked = async (check: () => Promise<string[]> | string[]): Promise<string[]> => {
  try {
    return await check()
  } catch (error) {
    return [`the check could not be made: ${error instanceof Error ? error.message : String(error)}`]
  }
}

const costOf = ({ cost_usd, estimated_cost_usd, unpriced_calls = 0 }: SessionCost): Cost => {
  if (unpriced_calls > 0 || (cost_usd === undefined && estimated_cost_usd === undefined)) return 'unknown'
  return (cost_usd ?? 0) + (estimated_cost_usd ?? 0)
}

const sum = (tasks: readonly TaskSummary[], of: (task: TaskSummary) => number): number =>
  tasks.reduce((total, task) => total + of(task), 0)
