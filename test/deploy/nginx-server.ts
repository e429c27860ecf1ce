/** Debian's nginx in the foreground, with one of our examples between a free port and the API. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../config/processes.ts'
import { freePort } from '../support/free-port.ts'
import { ROOT } from './dockerfile.ts'

/** Debian keeps it where a user's PATH does not look. */
const PATH = `${process.env['PATH']}:/usr/sbin`
const TEMP_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** `example`: a file of deploy/nginx. Only the addresses in it are changed. */
export const startNginx = async (example: string, upstream: URL) => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-nginx-'))
  const port = await freePort()
  const text = await readFile(join(ROOT, 'deploy/nginx', example), 'utf8')
  const site = text
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('localhost:8080', upstream.host)
  await writeFile(join(folder, 'site.conf'), site)
  await writeFile(
    join(folder, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''}
    daemon off;
    pid nginx.pid;
    error_log stderr error;
    events {}
    http {
      access_log off;
      ${TEMP_PATHS.map((name) => `${name}_temp_path ${name};`).join(' ')}
      include site.conf;
    }`,
  )
  const server = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', 'nginx.conf'], {
    env: { PATH },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(server, 'exit')
  await until('nginx to listen', () => accepts(port))
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const accepts = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
