/** Runs the process that makes a page readable: under the guard, bounded in time, memory and number. */
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { LeaseLost } from '../../../errors.ts'
import type { GuardedResult } from '../guard.ts'
import type { ToolContext } from '../tool.ts'
import { FetchFailed } from './fetch-failed.ts'
import type { ReadableInput, ReadablePage } from './html-to-markdown.ts'
import { createSlots } from './slots.ts'

export interface ReadableLimits {
  timeoutMs?: number
  maxHeapMb?: number
}

/** At once, for a whole worker: each may take all of its memory. */
const PROCESSES = 2
/** Should a page break its reader: it writes no file and starts no process. */
const CONFINED = ['--permission', '--allow-fs-read=*', '--disallow-code-generation-from-strings']
/** JSON of the longest text there is. */
const KEEP_CHARS = 3_000_000

const Page = z.object({ title: z.string(), markdown: z.string() })

export type MakeReadable = (
  input: ReadableInput,
  context: Pick<ToolContext, 'guard' | 'callKey' | 'signal'>,
) => Promise<ReadablePage>

/** Throws `FetchFailed` for a page that cannot be made readable within its bounds. */
export const createMakeReadable = ({
  timeoutMs = 20_000,
  maxHeapMb = 512,
}: ReadableLimits = {}): MakeReadable => {
  const slots = createSlots(PROCESSES)
  const script = fileURLToPath(new URL(`./readable-process${extname(import.meta.filename)}`, import.meta.url))

  return async (input, { guard, callKey, signal }) => {
    const result = await slots.run(signal, () =>
      guard.run({
        key: callKey,
        argv: [process.execPath, ...CONFINED, `--max-old-space-size=${maxHeapMb}`, script],
        cwd: '/',
        env: {},
        input: JSON.stringify(input),
        timeoutMs,
        keepChars: KEEP_CHARS,
        signal,
      }),
    )
    signal.throwIfAborted()
    if (result.killedBy === 'lease') throw new LeaseLost(result.stderr || 'the guard heard no heartbeat')
    const page = result.exitCode === 0 ? Page.safeParse(JSON.parse(result.stdout)).data : undefined
    if (page !== undefined) return page
    const why = reasonOf(result, timeoutMs)
    throw new FetchFailed('not readable', `${input.url} could not be made readable: ${why}`)
  }
}

/** V8 aborts when its heap is full. */
const reasonOf = ({ killedBy, signal, stderr }: GuardedResult, timeoutMs: number): string => {
  if (killedBy === 'timeout') return `it took longer than ${timeoutMs / 1000} s`
  if (killedBy === 'guard') return 'the process that read it was killed'
  if (signal !== undefined) return 'it takes more memory than a page may'
  return /^\w*Error: .*$/m.exec(stderr)?.[0] ?? 'the process that read it failed'
}
