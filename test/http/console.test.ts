/** How the API serves the web console; what it shows is tested in `test/web`. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi } from '../support/api.ts'

let folder: string
let api: Awaited<ReturnType<typeof startApi>>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-test-web-'))
  api = await startApi({ webFolder: join(folder, 'web'), tokens: ['t'] })
})
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const PAGE = '<!doctype html><title>ALEX</title>'
const build = async () => {
  await mkdir(join(folder, 'web/assets'), { recursive: true })
  await writeFile(join(folder, 'secret.js'), 'secret')
  await writeFile(join(folder, 'web/assets/app-1a2b.js'), 'let a')
  await writeFile(join(folder, 'web/assets/app-1a2b.js.gz'), gzipSync('let a'))
  await writeFile(join(folder, 'web/index.html'), PAGE)
}
/** As it stands: fetch would tidy the path and decode the answer. */
const raw = (path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }>(
    (resolve, reject) => {
      const asked = request({ ...addressOf(api.url), path, headers }, (answer) => {
        const pieces: Buffer[] = []
        answer.on('data', (piece: Buffer) => pieces.push(piece))
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) }),
        )
      })
      asked.on('error', reject).end()
    },
  )
const addressOf = (url: string) => ({ host: '127.0.0.1', port: new URL(url).port })

test('without a build the page says how to build it; with one every page of the console is it, without a token', async () => {
  await rm(join(folder, 'web'), { recursive: true, force: true })
  await using bare = await startApi({ webFolder: join(folder, 'web') })
  const missing = await bare.request('/')
  expect(missing.status).toBe(503)
  expect(await missing.text()).toContain('npm run build:web')

  await build()
  expect(await (await bare.request('/')).text()).toBe(PAGE)
  for (const path of ['/', '/tasks/task-1', '/sessions', '/sessions/s1', '/fleet']) {
    const answer = await api.request(path)
    expect([path, answer.status, await answer.text()]).toEqual([path, 200, PAGE])
    expect(answer.headers.get('Content-Security-Policy')).toMatch(
      /script-src 'self';.*frame-ancestors 'none'/,
    )
    expect(answer.headers.get('Cache-Control')).toBe('no-cache')
  }
  expect((await api.request('/api/tasks')).status).toBe(401)
  expect((await api.request('/nowhere')).status).toBe(401)
})

test('a page that is known is not sent again until there is a newer one', async () => {
  await build()
  const etag = (await api.request('/')).headers.get('ETag') ?? ''
  const again = await api.request('/', { headers: { 'If-None-Match': `W/${etag}, "other"` } })
  expect([again.status, await again.text()]).toEqual([304, ''])
  await writeFile(join(folder, 'web/index.html'), `${PAGE}<p>newer`)
  const newer = await api.request('/', { headers: { 'If-None-Match': etag } })
  expect([newer.status, await newer.text()]).toEqual([200, `${PAGE}<p>newer`])
})

test('assets are kept for ever and sent compressed to those who can read it', async () => {
  await build()
  const plain = await raw('/assets/app-1a2b.js')
  expect(plain.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    vary: 'Accept-Encoding',
  })
  expect(plain.body.toString()).toBe('let a')
  const small = await raw('/assets/app-1a2b.js', { 'Accept-Encoding': 'br, gzip' })
  expect(small.headers['content-encoding']).toBe('gzip')
  expect(gunzipSync(small.body).toString()).toBe('let a')
  const refused = await raw('/assets/app-1a2b.js', { 'Accept-Encoding': 'gzip;q=0' })
  expect(refused.headers['content-encoding']).toBeUndefined()
})

test.each([
  '/assets/../../secret.js',
  '/assets/..%2f..%2fsecret.js',
  '/assets/..%5csecret.js',
  '/assets/app-1a2b.js.gz',
  '/assets/%00',
  '/assets/nothing.js',
])('%s leads nowhere', async (path) => {
  await build()
  const answer = await raw(path)
  expect([401, 404]).toContain(answer.status)
  expect(answer.body.toString()).not.toMatch(/^secret/)
  expect(answer.headers['content-type']).toBe('application/problem+json')
})
