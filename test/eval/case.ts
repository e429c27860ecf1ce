/** What a case is: a small repository, a task, and a check that asks only what came of it. */
import type { TaskSummary } from '../../src/schemas/task.ts'
import type { Workspace } from './workspace.ts'

/** Path to text, relative to the workspace. */
export type Files = Readonly<Record<string, string>>

/** An answer of a scripted model: tools to call, or the final text. */
export type Turn = string | readonly (readonly [tool: string, args: object])[]

export interface Script {
  turns: readonly Turn[]
  /** For subagents, by the text of their subtask. */
  subtasks?: Readonly<Record<string, readonly Turn[]>>
}

export interface EvalCase {
  name: string
  /** What it tries, for the list in `--help`. */
  about: string
  agent_preset: string
  tool_preset: string
  task: string
  /** Committed before the task begins. */
  files: Files
  /** Written after the commit, and so there as changes. */
  changes?: Files
  branch?: string
  /** What is wrong, a sentence each; none: the case is passed. Knows nothing of the scripts below. */
  check: (outcome: Outcome) => Promise<string[]> | string[]
  /** Does the task well. */
  solver: Script
  /** Does what a hasty model would, and says that all is well; `caught` is in what the check says of it. */
  failer: Script & { caught: string }
}

export interface Outcome {
  workspace: Workspace
  answer: string
  /** Those that the task gave to subagents. */
  children: readonly TaskSummary[]
}

/** Nothing, or the problem. */
export const unless = (holds: boolean, problem: string): string[] => (holds ? [] : [problem])

/** A run of `Workspace.node` as a problem, when it failed. */
export const unlessFailed = (failure: string | undefined, what: string): string[] =>
  failure === undefined ? [] : [`${what}: ${failure}`]

/** Where this text stands, counted from 1. */
export const lineOf = (text: string, part: string): number =>
  text.slice(0, text.indexOf(part)).split('\n').length

/** True when the text points to that line of the file, a neighbour of it, or a range with it. */
export const pointsTo = (text: string, path: string, line: number): boolean => {
  const places = text.matchAll(
    new RegExp(`${path.replaceAll('.', String.raw`\.`)}\`?(?::|#|,? lines? )L?(\\d+)(?:[-–]L?(\\d+))?`, 'g'),
  )
  return [...places].some(([, from, to]) => line >= Number(from) - 1 && line <= Number(to ?? from) + 1)
}
