/** Failures of a call in the words of a result that a model reads. */
import type { z } from 'zod'
import { messageOf } from '../../errors.ts'
import type { ToolOutput } from './tool.ts'
import { PathRefused } from './workspace-path.ts'

/** `path` is the file the call was about, if any. */
export const failureOutput = (error: unknown, path: string | undefined): ToolOutput => {
  if (error instanceof PathRefused) return { content: `Refused: ${error.message}.`, error: 'refused' }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known = FILE_ERRORS[code]
  // Node's own message would show the descriptor's path.
  if (known !== undefined) return { content: `${path ?? 'The path'}: ${known}.`, error: known }
  return { content: `The tool failed: ${messageOf(error)}`, error: 'failed' }
}

const FILE_ERRORS: Record<string, string> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files',
}

export const badArguments = (toolName: string, problems: readonly string[]): ToolOutput => ({
  content: `The arguments of ${toolName} are not valid:\n${problems.map((text) => `- ${text}`).join('\n')}`,
  error: 'invalid arguments',
})

export const problemsOf = (error: z.ZodError): string[] =>
  error.issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
