import { tmpdir } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Guard } from '../../src/agent/tools/guard.ts'
import { createGuard } from '../../src/agent/tools/guard-client.ts'
import { monotonicMs } from '../../src/agent/tools/guard-protocol.ts'
import { beatenGuard, processesWith, until } from './support/fixture.ts'

let keys = 0

const serve = (guard: Guard, command: string) => {
  const seen = { output: '' }
  const service = guard.serve({
    key: `guard-service-${process.pid}/${++keys}`,
    argv: ['/bin/sh', '-c', command],
    cwd: tmpdir(),
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    onOutput: (chunk) => (seen.output += chunk),
  })
  return { ...service, seen }
}

test('a service is talked to for as long as it lives, and nothing it says is cut', async () => {
  await using guard = beatenGuard()
  const service = serve(guard, 'cat; echo bye >&2; exit 3')
  service.write('one\u2028\n')
  await until('it answers', () => service.seen.output === 'one\u2028\n')
  service.write('x'.repeat(3_000_000))
  service.end()
  expect(await service.ended).toMatchObject({ exitCode: 3, stdout: '', stderr: 'bye\n' })
  expect(service.seen.output).toHaveLength(3_000_005)
  service.write('into the void')
})

test('a service that goes on without input is killed with all it started', async () => {
  await using guard = beatenGuard()
  const service = serve(guard, 'trap "" TERM HUP; setsid sleep 65.25 & echo up; exec sleep 65.25')
  await until('it runs', () => service.seen.output === 'up\n')
  service.end()
  expect((await service.ended).killedBy).toBe('aborted')
  expect(await processesWith('sleep\u000065.25')).toEqual([])
})

test('a service lives as long as the lease, and hears nothing after it', async () => {
  await using guard = createGuard({ leaseMs: 1_000 })
  expect((await serve(guard, 'cat').ended).killedBy).toBe('lease')
  const beaten = guard.beaten()
  guard.beat(monotonicMs())
  await beaten
  const service = serve(guard, 'cat')
  service.write('before')
  await until('it answers', () => service.seen.output === 'before')
  expect((await service.ended).killedBy).toBe('lease')
  service.write('after')
  await pause(0)
  expect(service.seen.output).toBe('before')
})

test('a service that cannot start says so', async () => {
  await using guard = beatenGuard()
  const { ended } = guard.serve({
    key: `guard-service-${process.pid}/${++keys}`,
    argv: ['/no/such/program'],
    cwd: tmpdir(),
    env: {},
    onOutput: () => {},
  })
  expect(await ended).toMatchObject({ exitCode: 127, stderr: expect.stringContaining('ENOENT') })
})

test('a guard that ends takes its services along', async () => {
  const guard = beatenGuard()
  const service = serve(guard, 'echo up; sleep 66.25')
  await until('it runs', () => service.seen.output === 'up\n')
  await guard[Symbol.asyncDispose]()
  expect((await service.ended).killedBy).toBeDefined()
  expect(await processesWith('sleep\u000066.25')).toEqual([])
  expect((await serve(guard, 'true').ended).killedBy).toBe('guard')
})

test('a service that floods is read no faster than the worker takes it', async () => {
  await using guard = beatenGuard()
  const service = serve(guard, 'head -c 20000000 /dev/zero | tr "\\\\0" x')
  expect((await service.ended).exitCode).toBe(0)
  expect(service.seen.output).toHaveLength(20_000_000)
})
