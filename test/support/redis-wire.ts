/** As much of Redis' protocol as a proxy needs to know which script passes, and when it has run. */
import { createHash } from 'node:crypto'
import { type ScriptName, scriptText } from '../../src/tasks/scripts.ts'

/** Sent behind a request: its answer proves that the request was executed. */
const ECHO = 'the-request-before-this-was-executed'
export const ECHO_REQUEST = Buffer.from(`*2\r\n$4\r\nECHO\r\n$${ECHO.length}\r\n${ECHO}\r\n`)
export const ECHO_REPLY = Buffer.from(`$${ECHO.length}\r\n${ECHO}\r\n`)

/** The hash under which `createScripts` runs it. */
export const hashOf = (script: ScriptName): string => sha1(scriptText(script))

const sha1 = (text: string | Buffer) => createHash('sha1').update(text).digest('hex')

export const scriptHash = ([command, script]: readonly Buffer[]): string | undefined => {
  switch (command?.toString().toUpperCase()) {
    case 'EVALSHA':
      return script?.toString()
    case 'EVAL':
      return script && sha1(script)
    default:
      return undefined
  }
}

/** The first request of these bytes, an array of bulk strings; null when it has not come whole. */
export const firstRequest = (bytes: Buffer): { args: Buffer[]; bytes: number } | null => {
  let at = 0
  /** The number after a `*` or `$`. */
  const header = (): number | null => {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return null
    const value = Number(bytes.toString('latin1', at + 1, end))
    at = end + 2
    return value
  }
  const count = header()
  if (count === null) return null
  const args: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const length = header()
    if (length === null || bytes.length < at + length + 2) return null
    args.push(bytes.subarray(at, at + length))
    at += length + 2
  }
  return { args, bytes: at }
}
