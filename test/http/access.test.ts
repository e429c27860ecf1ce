import { describe, expect, test } from 'vitest'
import type { Access } from '../../src/http/access.ts'
import { bareApp, problemIn } from './support.ts'

const guarded = (access: Partial<Access> = {}) => {
  const { app } = bareApp(access)
  for (const path of ['/api/things', '/health', '/health/ready', '/healthy', '/metrics']) {
    app.get(path, (c) => c.text('ok')).post(path, (c) => c.text('done'))
  }
  return (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    app.request(path, { method, headers })
}

describe('Host', () => {
  const ask = guarded({ allowedHosts: ['Alex.example.com', 'proxy.local:8443', 'fd00::1'] })

  test.each([
    'localhost',
    'localhost:8080',
    'LOCALHOST:8080',
    'localhost.',
    'localhost.:8080',
    'web.localhost:3000',
    '127.0.0.1:8080',
    '127.9.9.9',
    '[::1]',
    '[::1]:8080',
    'alex.example.com',
    'alex.example.com:443',
    'alex.example.com.',
    'proxy.local',
    'proxy.local:9',
    '[fd00::1]:8080',
  ])('%s is known', async (host) => {
    expect((await ask('/api/things', { Host: host })).status).toBe(200)
  })

  test.each([
    'evil.example',
    'localhost.evil.example',
    'alex.example.com.evil.example',
    'notlocalhost',
    '127.0.0.1.evil.example',
    '192.168.1.4:8080',
    '0.0.0.0:8080',
    '[::2]:8080',
    'localhost@evil.example',
    'evil.example/localhost',
    'localhost:99999',
    '',
  ])('%s is refused', async (host) => {
    expect(await problemIn(await ask('/api/things', { Host: host }))).toMatchObject({
      status: 403,
      code: 'foreign_host',
    })
  })

  test('probes may address a pod by its IP, and Prometheus when metrics are public', async () => {
    const pod = { Host: '10.1.2.3:8080' }
    expect((await ask('/health/ready', pod)).status).toBe(200)
    expect(await problemIn(await ask('/metrics', pod))).toMatchObject({ status: 403, code: 'foreign_host' })
    expect(await problemIn(await ask('/healthy', pod))).toMatchObject({ status: 403, code: 'foreign_host' })
    expect((await guarded({ metricsPublic: true })('/metrics', pod)).status).toBe(200)
  })
})

describe('Origin', () => {
  const ask = guarded({ allowedHosts: ['alex.example.com'] })
  const json = { 'Content-Type': 'application/json' }

  test.each([
    ['localhost:8080', 'http://localhost:8080'],
    ['localhost', 'http://localhost:80'],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['alex.example.com', 'https://alex.example.com'],
    ['alex.example.com', 'https://alex.example.com:8443'],
    ['localhost:8080', 'https://alex.example.com'],
  ])('%s takes a post from %s', async (host, origin) => {
    expect((await ask('/api/things', { Host: host, Origin: origin, ...json }, 'POST')).status).toBe(200)
  })

  test.each([
    'http://evil.example',
    'http://localhost:3000',
    'https://localhost:8081',
    'null',
    'file://',
    'garbage',
  ])('a post from %s is refused, a read is not', async (origin) => {
    const headers = { Host: 'localhost:8080', Origin: origin }
    expect(await problemIn(await ask('/api/things', { ...headers, ...json }, 'POST'))).toMatchObject({
      status: 403,
      code: 'foreign_origin',
    })
    expect(await problemIn(await ask('/api/things', headers, 'DELETE'))).toMatchObject({
      status: 403,
      code: 'foreign_origin',
    })
    const read = await ask('/api/things', headers)
    expect([read.status, read.headers.get('Access-Control-Allow-Origin')]).toEqual([200, null])
  })

  test.each([
    'application/x-www-form-urlencoded',
    'text/plain;charset=UTF-8',
    'multipart/form-data; boundary=x',
  ])('a foreign form of type %s is 415', async (type) => {
    const headers = { Origin: 'http://evil.example', 'Content-Type': type }
    expect(await problemIn(await ask('/api/things', headers, 'POST'))).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    })
  })
})

describe('Bearer token', () => {
  const ask = guarded({ tokens: ['first-token', 'second-token'] })

  test('without one nothing answers but /health*', async () => {
    for (const path of ['/api/things', '/metrics', '/nowhere', '/healthy']) {
      const answer = await ask(path)
      expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Bearer/)
      expect(await problemIn(answer)).toMatchObject({ status: 401, code: 'unauthorized' })
    }
    expect(await problemIn(await ask('/api/things', {}, 'OPTIONS'))).toMatchObject({
      status: 401,
      code: 'unauthorized',
    })
    expect((await ask('/health')).status).toBe(200)
    expect((await ask('/health/ready')).status).toBe(200)
  })

  test.each(['Bearer first-token', 'bearer second-token', 'Bearer  first-token '])(
    '%s is let in',
    async (value) => {
      expect((await ask('/api/things', { Authorization: value })).status).toBe(200)
    },
  )

  test.each([
    'Bearer third-token',
    'Bearer',
    'Bearer first-token second-token',
    'Basic first-token',
    'first-token',
  ])('%s is refused', async (value) => {
    expect(await problemIn(await ask('/api/things', { Authorization: value }))).toMatchObject({
      status: 401,
      code: 'unauthorized',
    })
  })

  test('public metrics need none', async () => {
    expect((await guarded({ tokens: ['t'], metricsPublic: true })('/metrics')).status).toBe(200)
  })
})
