/** Where a worker answers probes and Prometheus: a port of its own, since it serves nothing else. */
import { messageOf } from '../src/errors.ts'
import { createHttpServer } from '../src/http/http-server.ts'
import { createOpsApp } from '../src/http/ops.ts'

type Options = Parameters<typeof createOpsApp>[0] & {
  host: string
  /** 0: any that is free. */
  port: number
}

export interface OpsServer {
  /** Where it listens. */
  port: number
  /** At once, connections and all. */
  close: () => void
}

/** Resolves when it listens; a worker that cannot ends with 1. */
export const startOpsServer = async ({ host, port, ...deps }: Options): Promise<OpsServer> => {
  const server = createHttpServer(createOpsApp(deps))
  server.on('error', (error) => {
    process.stderr.write(`The worker cannot listen on ${host}:${port}: ${messageOf(error)}\n`)
    process.exit(1)
  })
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : port,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
