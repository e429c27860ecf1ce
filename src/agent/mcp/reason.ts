import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { messageOf } from '../../errors.ts'

/** What went wrong with a server, in one line: `fetch` hides it in the cause, and a bad answer is long. */
export const reasonOf = (error: unknown): string => {
  if (error instanceof z.ZodError) return 'it does not answer as the protocol demands'
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined
  const inner = cause === undefined ? '' : cause.message || ('code' in cause ? String(cause.code) : '')
  const text = inner === '' ? messageOf(error) : `${messageOf(error)}: ${inner}`
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 500)
}

const REQUEST_TIMEOUT: number = ErrorCode.RequestTimeout

/** No answer came in time, by the SDK's own clock. */
export const isTimeout = (error: unknown): boolean =>
  error instanceof McpError && error.code === REQUEST_TIMEOUT
