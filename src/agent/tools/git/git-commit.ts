import { z } from 'zod'
import { type CallContext, defineTool, type ToolOutput } from '../tool.ts'
import { MESSAGE_RULES, MESSAGE_TOKENS, materialOf, messageIn } from './commit-message.ts'
import { Committed, Inspection, type Operation } from './git-protocol.ts'
import { type GitPrograms, runGit } from './run-git.ts'

const INSPECT_MS = 60_000
/** Hooks may run a project's checks. */
const COMMIT_MS = 300_000
const TIMEOUT_MS = 600_000
const LISTED_FILES = 50

export const gitCommitTool = (options: GitPrograms) =>
  defineTool({
    name: 'git_commit',
    description:
      'Commit what is staged; when nothing is staged, all changed and new files that are not ignored. Without a ' +
      'message a Conventional Commit is written from the diff. Only with auto=true it commits; otherwise it ' +
      'shows what would be committed and with which message, and changes nothing. Refuses files that look like ' +
      'secrets.',
    parameters: z.object({
      message: z.string().trim().max(10_000).optional().describe('Written from the diff if absent'),
      auto: z.boolean().optional().describe('true: commit; false (default): only propose'),
    }),
    effect: 'write',
    timeoutMs: () => TIMEOUT_MS,
    async run({ message: given = '', auto = false }, context: CallContext) {
      const look = { operation: { kind: 'inspect' as const }, value: Inspection, key: 'inspect' }
      const inspected = await runGit(options, context, { ...look, timeoutMs: INSPECT_MS })
      if (!inspected.ok) return inspected.output
      const { value } = inspected
      if (value.secrets.length > 0) return refuseSecrets(value)
      const message = given === '' ? await written(value, context) : { text: given }
      if ('refusal' in message) return message.refusal
      if (!auto) return proposal(value, message.text)

      const { tree, head, paths, branch } = value
      // Elsewhere no code of the repository runs; under `full` its hooks do, confined like what `bash` runs.
      const hooks = context.preset === 'full'
      const operation: Operation = { kind: 'commit', message: message.text, tree, head, paths, hooks }
      const run = { operation, value: Committed, key: 'commit', timeoutMs: COMMIT_MS }
      const committed = await runGit(options, context, run)
      if (!committed.ok) return committed.output
      const { hash, output } = committed.value
      const where = branch === '' ? 'a detached HEAD' : branch
      const said = output === '' ? '' : `\ngit and hooks said:\n${output}`
      return { content: `Committed ${hash} on ${where}: ${message.text}\n${describe(value)}${said}` }
    },
  })

const written = async (
  inspection: Inspection,
  { ask, signal }: CallContext,
): Promise<{ text: string } | { refusal: ToolOutput }> => {
  const answer = await ask({
    system: MESSAGE_RULES,
    text: materialOf(inspection),
    maxTokens: MESSAGE_TOKENS,
    signal,
  })
  const text = answer.ok ? messageIn(answer.text) : undefined
  if (text !== undefined) return { text }
  const why = answer.ok
    ? `the model's message is no Conventional Commit: ${JSON.stringify(answer.text.slice(0, 300))}`
    : answer.message
  const content = `Nothing was committed: no message was given and none could be written (${why}). Give a message.`
  return { refusal: { content, error: 'no message' } }
}

const refuseSecrets = ({ secrets }: Inspection): ToolOutput => ({
  content: [
    'Refused: nothing was committed, these files look like secrets:',
    ...secrets.map(({ path, why }) => `- ${path}: ${why}`),
    'Leave them out (.gitignore), or let a person commit them.',
  ].join('\n'),
  error: 'looks like secrets',
})

const proposal = (inspection: Inspection, message: string): ToolOutput => ({
  content: [
    'Proposal; nothing was committed. To commit, call again with this message and auto=true.',
    '',
    message,
    '',
    describe(inspection),
  ].join('\n'),
})

const describe = ({ changes, staged, nested }: Inspection): string => {
  const listed = changes.slice(0, LISTED_FILES).map(({ path, change }) => `${change} ${path}`)
  return [
    `${changes.length} file${changes.length === 1 ? '' : 's'} ${staged ? '(what was staged)' : '(all changes)'}:`,
    ...listed,
    ...(changes.length > LISTED_FILES ? [`and ${changes.length - LISTED_FILES} more`] : []),
    ...(nested.length > 0 ? [`left out, repositories of their own: ${nested.join(', ')}`] : []),
  ].join('\n')
}
