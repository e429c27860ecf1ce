/** All cases, in the order of the table. Fixtures are texts in the cases: as files, our own checks would judge them. */
import type { EvalCase } from './case.ts'
import { commit } from './cases/commit.ts'
import { contentIsNotInstruction } from './cases/content-is-not-instruction.ts'
import { dockerfile } from './cases/dockerfile.ts'
import { failingCommand } from './cases/failing-command.ts'
import { findInLargeTree } from './cases/find-in-large-tree.ts'
import { fixFailingTest } from './cases/fix-failing-test.ts'
import { moduleToSpec } from './cases/module-to-spec.ts'
import { readOnly } from './cases/read-only.ts'
import { refactor } from './cases/refactor.ts'
import { rename } from './cases/rename.ts'
import { research } from './cases/research.ts'
import { reviewDiff } from './cases/review-diff.ts'
import { securityReview } from './cases/security-review.ts'
import { subagents } from './cases/subagents.ts'

export const CASES: readonly EvalCase[] = [
  fixFailingTest,
  moduleToSpec,
  refactor,
  rename,
  failingCommand,
  commit,
  findInLargeTree,
  reviewDiff,
  securityReview,
  research,
  dockerfile,
  subagents,
  readOnly,
  contentIsNotInstruction,
]
