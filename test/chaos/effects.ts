/** What tool calls do that can be seen from outside: a line in a ledger, a file, a request to a counting server. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Effect, PlannedCall } from './history.ts'
import { taskText } from './plan.ts'

export const startEffects = async (workspace: string) => {
  const requests: Effect[] = []
  await mkdir(join(workspace, 'files'), { recursive: true })
  await writeFile(join(workspace, 'ledger'), '')
  const server = createServer((request, response) => {
    requests.push({ token: request.url?.slice(1) ?? '', kind: 'http', at: Date.now() })
    response.end('counted\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const ledger = async (): Promise<Effect[]> =>
    (await readFile(join(workspace, 'ledger'), 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [token = '', at] = line.split(' ')
        return { token, kind: 'ledger', at: Number(at) }
      })
  const files = async (): Promise<Effect[]> =>
    Promise.all(
      (await readdir(join(workspace, 'files'))).map(async (token) => {
        const { mtimeMs } = await stat(join(workspace, 'files', token))
        return { token, kind: 'file' as const, at: Math.floor(mtimeMs) }
      }),
    )
  return {
    /** The tool call by which a planned call takes effect, marked with its token. */
    callFor: (call: PlannedCall, token: string) => {
      const { kind, beforeMs, afterMs, detached } = call
      const act =
        kind === 'http'
          ? `curl -fsS -m 5 http://127.0.0.1:${port}/${token}`
          : `echo "${token} $(date +%s%3N)" >> ledger`
      const command = `sleep ${beforeMs / 1000} && ${act} && sleep ${afterMs / 1000}`
      const quoted = `'${command.replaceAll("'", String.raw`'\''`)}'`
      switch (kind) {
        case 'ledger':
        case 'http':
          return { name: 'bash', arguments: { command: detached ? `setsid -w bash -c ${quoted}` : command } }
        case 'file':
          return { name: 'file_write', arguments: { path: `files/${token}`, content: token } }
        case 'subagent': {
          const subtasks = (call.subtasks ?? []).map((plan) => taskText({ ...plan, call: token }))
          return { name: 'subagent', arguments: { subtasks, max_workers: call.atATime } }
        }
        case 'read':
          return { name: 'find', arguments: { name: token, path: 'files' } }
      }
    },
    all: async (): Promise<Effect[]> => [...requests, ...(await ledger()), ...(await files())],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
