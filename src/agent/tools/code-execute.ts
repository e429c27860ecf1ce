import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { confinement, KEEP_CHARS, KILL_GRACE_MS, reportCommand } from './command-report.ts'
import { findProgram } from './programs.ts'
import { removedAfter } from './removed-after.ts'
import type { Sandbox } from './sandbox.ts'
import { defineTool, type ToolContext } from './tool.ts'

const DEFAULT_TIMEOUT_S = 30

export interface CodeExecuteOptions {
  sandbox: Sandbox
  env: Readonly<Record<string, string>>
}

export const codeExecuteTool = ({ sandbox, env }: CodeExecuteOptions) =>
  defineTool({
    name: 'code_execute',
    description:
      'Run a program given as source text and get its exit code, stdout and stderr. The source lies in a temporary ' +
      'folder that is removed afterwards (its path is in the variable ALEX_CODE_DIR); the program runs in the root ' +
      'of the workspace, without input. Memory, processes and file sizes are limited, and everything it started is ' +
      `killed when it ends. ${confinement(sandbox)}`.trim(),
    parameters: z.object({
      language: z.enum(['python', 'javascript', 'bash', 'go']),
      code: z.string().min(1).max(200_000).describe('The whole program'),
      timeout_s: z.number().min(1).max(300).optional().describe('Seconds, 30 if absent, at most 300'),
    }),
    effect: 'write',
    timeoutMs: ({ timeout_s = DEFAULT_TIMEOUT_S }) => timeout_s * 1000 + KILL_GRACE_MS,
    async run({ language, code, timeout_s = DEFAULT_TIMEOUT_S }, context: ToolContext) {
      const { workspace, callKey, signal, guard } = context
      const { names, file, before = [] } = LANGUAGES[language]
      const program = language === 'javascript' ? process.execPath : await findProgram(env['PATH'], names)
      if (program === undefined) {
        const content = `Not run: there is no ${names[0]} on the worker. Install it, or use another language.`
        return { content, error: `${names[0]} is not installed` }
      }
      const bash = await findProgram(env['PATH'], ['bash'])
      // A bash whose input is a socket, as Node's pipes are, takes itself for a remote shell and reads ~/.bashrc.
      const shell: [string, ...string[]] = bash === undefined ? ['/bin/sh'] : [bash, '--norc']
      // Inside the sandbox this is a folder of the call's own /tmp.
      const base = sandbox.describe().active ? '/tmp' : tmpdir()
      const folder = join(base, `alex-code-${randomBytes(8).toString('hex')}`)
      const argv: [string, ...string[]] = [...shell, '-c', LAUNCH, 'code', folder, file, program, ...before]
      const wrapped = await sandbox.wrap(argv, workspace, { readable: [program] })
      if (!wrapped.ok) return { content: `Not run: ${wrapped.refusal}.`, error: 'refused by the sandbox' }
      signal.throwIfAborted()
      context.assertLease()
      await using _ = removedAfter(guard, [folder, ...wrapped.forbidden])
      const result = await guard.run({
        key: callKey,
        argv: wrapped.argv,
        cwd: workspace,
        env: wrapped.env,
        input: code,
        timeoutMs: timeout_s * 1000,
        keepChars: KEEP_CHARS,
        onOutput: context.stream,
        signal,
      })
      return reportCommand(result, timeout_s)
    },
  })

interface Language {
  names: readonly [string, ...string[]]
  file: string
  /** Arguments that come before the file. */
  before?: readonly string[]
}

const LANGUAGES: Readonly<Record<'python' | 'javascript' | 'bash' | 'go', Language>> = {
  python: { names: ['python3', 'python'], file: 'main.py' },
  // This process's own Node. V8 keeps to a heap size; of address space it reserves far more than it uses.
  javascript: { names: ['node'], file: 'main.js', before: ['--max-old-space-size=2048'] },
  bash: { names: ['bash'], file: 'main.sh' },
  go: { names: ['go'], file: 'main.go', before: ['run'] },
}

/**
 * Arguments: folder, file, program, what comes before the file. Limits that a shell or system does not know are
 * passed over: dash has no -u, macOS no -v. Address space is left free for Node and Go, which reserve gigabytes
 * that they never use. Root is beyond -u unless the sandbox took its rights.
 */
const LAUNCH = `
umask 077
folder=$1 file=$1/$2 program=$3
shift 3
mkdir "$folder" && cat > "$file" || exit 126
export ALEX_CODE_DIR="$folder"
case $program in
  */go) export GOCACHE="$folder/cache" GOTMPDIR="$folder" ;;
  */node) ;;
  *) ulimit -v 4194304 2>/dev/null ;;
esac
ulimit -c 0 2>/dev/null
ulimit -f 2097152 2>/dev/null
ulimit -u 4096 2>/dev/null
exec "$program" "$@" "$file" < /dev/null
`
