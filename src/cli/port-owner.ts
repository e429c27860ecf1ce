import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { commandLine } from '../supervisor/processes.ts'

/** Null when the port can be listened on, else who holds it, in words. */
export const portOwner = async (host: string, port: number): Promise<string | null> => {
  const server = createServer()
  try {
    server.listen(port, host.replace(/^\[|\]$/g, ''))
    await once(server, 'listening')
    return null
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code !== 'EADDRINUSE') return String(error)
    const pid = process.platform === 'linux' ? listenerOnLinux(port) : listenerByLsof(port)
    return pid === undefined ? 'another program' : `process ${pid} (${commandLine(pid).trim().slice(0, 100)})`
  } finally {
    server.close()
  }
}

const LISTEN = '0A'

/** Sockets are named by inode in /proc/net, processes hold links to them; another user's can't be seen. */
const listenerOnLinux = (port: number): number | undefined => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) =>
    attempt(() => readFileSync(table, 'utf8').split('\n'), []),
  )
  const fields = rows.map((row) => row.trim().split(/\s+/))
  const inodes = fields
    .filter((each) => each[1]?.endsWith(suffix) && each[3] === LISTEN)
    .map((each) => each[9])
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`))
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const owner = pids.find((pid) => {
    const handles = attempt(() => readdirSync(`/proc/${pid}/fd`), [])
    return handles.some((fd) => links.has(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '')))
  })
  return owner === undefined ? undefined : Number(owner)
}

const listenerByLsof = (port: number): number | undefined => {
  const args = ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN']
  const pid = Number(
    attempt(() => execFileSync('lsof', args, { encoding: 'utf8', stdio: 'pipe' }), '').split('\n')[0],
  )
  return pid > 0 ? pid : undefined
}

const attempt = <T>(read: () => T, otherwise: T): T => {
  try {
    return read()
  } catch {
    return otherwise
  }
}
