import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toolEnvironment } from '../../src/agent/tools/environment.ts'
import type { Guard, GuardedCommand, GuardedResult } from '../../src/agent/tools/guard.ts'
import { createGuard } from '../../src/agent/tools/guard-client.ts'
import { monotonicMs } from '../../src/agent/tools/guard-protocol.ts'
import { reapLeftovers } from '../../src/agent/tools/process-sweep.ts'
import { createSandbox } from '../../src/agent/tools/sandbox.ts'
import { beatenGuard, processesWith, until } from './support/fixture.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-guard-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const env = toolEnvironment(process.env)
let keys = 0

const run = (guard: Guard, command: string, more: Partial<GuardedCommand> = {}): Promise<GuardedResult> =>
  guard.run({
    key: `guard-test-${process.pid}/${++keys}`,
    argv: ['bash', '-c', command],
    cwd: folder,
    env,
    timeoutMs: 30_000,
    keepChars: 10_000,
    signal: new AbortController().signal,
    ...more,
  })

const survivors = (seconds: string): Promise<string[]> => processesWith(`sleep\u0000${seconds}`)

const appended = (): Promise<string> => readFile(join(folder, 'out'), 'utf8').catch(() => '')

/** A guard is a child of this process that runs guard-process.ts. */
const guardPids = async (parent: number): Promise<number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const guards = await Promise.all(
    pids.map(async (pid) => {
      const [line, stat] = await Promise.all(
        ['cmdline', 'stat'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      )
      const ppid = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      return line?.includes('guard-process.ts') && ppid === parent ? Number(pid) : undefined
    }),
  )
  return guards.filter((pid) => pid !== undefined)
}

describe('the guard', () => {
  it('gives input to a command and returns what it printed', async () => {
    await using guard = beatenGuard()
    const result = await run(guard, 'tr a-z A-Z; exit 4', { input: 'line\u2028one\n'.repeat(3) })
    expect(result).toEqual({ exitCode: 4, stdout: 'LINE\u2028ONE\n'.repeat(3), stderr: '', truncated: false })
  })

  it('reports a program that does not exist and a folder that does not', async () => {
    await using guard = beatenGuard()
    const missing = await run(guard, '', { argv: ['/no/such/program'] })
    expect(missing).toMatchObject({ exitCode: 127, stderr: expect.stringContaining('ENOENT') })
    expect((await run(guard, 'true', { cwd: '/no/such/folder' })).exitCode).toBe(127)
    expect((await run(guard, 'x'.repeat(200_000))).stderr).toContain('E2BIG')
  })

  it('refuses commands before the first heartbeat, and runs them after it', async () => {
    await using guard = createGuard({ leaseMs: 60_000 })
    expect(await run(guard, 'true')).toMatchObject({ exitCode: null, killedBy: 'lease' })
    guard.beat(monotonicMs())
    expect((await run(guard, 'true')).exitCode).toBe(0)
  })

  it('counts the lease from when a heartbeat was sent, and goes on after a fresh one', async () => {
    await using guard = createGuard({ leaseMs: 1_500 })
    guard.beat(monotonicMs() - 700)
    const began = monotonicMs()
    const result = await run(guard, 'sleep 20; echo late >> out')
    expect(result.killedBy).toBe('lease')
    expect(monotonicMs() - began).toBeLessThan(900)
    expect((await run(guard, 'echo late >> out')).killedBy).toBe('lease')
    expect(await appended()).toBe('')
    guard.beat(monotonicMs())
    expect((await run(guard, 'true')).exitCode).toBe(0)
  })

  it('renames a file only while its own clock says that the lease is live', async () => {
    await using guard = createGuard({ leaseMs: 60_000 })
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    await writeFile(from, 'new')
    expect(await guard.rename(from, to)).toBe('lapsed')
    guard.beat(monotonicMs() - 60_000)
    expect(await guard.rename(from, to)).toBe('lapsed')
    expect(await readFile(from, 'utf8')).toBe('new')
    guard.beat(monotonicMs())
    expect(await guard.rename(from, to)).toBe('done')
    expect(await readFile(to, 'utf8')).toBe('new')
    await expect(guard.rename(from, to)).rejects.toThrow('ENOENT')
  })

  it('removes what a worker that is gone had only begun to write, and nothing else', async () => {
    const guard = beatenGuard()
    const [begun, done] = [join(folder, 'begun'), join(folder, 'done')]
    await Promise.all([writeFile(begun, 'half'), writeFile(done, 'whole')])
    guard.temporary(begun)
    guard.temporary(done)[Symbol.dispose]()
    await guard[Symbol.asyncDispose]()
    expect(await readdir(folder)).toEqual(['done'])
  })

  it('runs many commands at once without mixing them up', async () => {
    await using guard = beatenGuard()
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => run(guard, `echo ${i}; sleep 0.0${i}`)),
    )
    expect(results.map(({ stdout }) => stdout)).toEqual(results.map((_, i) => `${i}\n`))
  })

  it('names the signal that ended a command', async () => {
    await using guard = beatenGuard()
    expect(await run(guard, 'kill -TERM $$')).toMatchObject({ exitCode: null, signal: 'SIGTERM' })
  })

  it('does not wait for a stray that keeps the pipes open', async () => {
    await using guard = beatenGuard()
    const began = monotonicMs()
    // No marker, no group, no parent: only bubblewrap could hold this one. It ends by itself.
    const stray = 'env -i setsid bash -c "echo > stray; sleep 1.5"'
    const result = await run(guard, `(${stray} &); until [ -e stray ]; do sleep 0.01; done; echo done`)
    expect(result).toMatchObject({ exitCode: 0, stdout: 'done\n' })
    expect(monotonicMs() - began).toBeLessThan(1_400)
  })

  it('is killed, and its commands with it, and is replaced for the next one', async () => {
    await using guard = beatenGuard()
    const running = run(guard, 'setsid sleep 61.5 & echo on > ready; sleep 61.5; echo late >> out')
    await until('it runs', async () => (await readdir(folder)).includes('ready'))
    for (const pid of await guardPids(process.pid)) process.kill(pid, 'SIGKILL')
    expect(await running).toMatchObject({ exitCode: null, killedBy: 'guard' })
    expect(await survivors('61.5')).toEqual([])
    expect((await run(guard, 'echo again')).stdout).toBe('again\n')
  })

  it('ends on disposal with all it runs', async () => {
    const guard = beatenGuard()
    const running = run(guard, 'setsid sleep 62.5 & echo on > ready; sleep 62.5')
    await until('it runs', async () => (await readdir(folder)).includes('ready'))
    const [pid] = await guardPids(process.pid)
    await guard[Symbol.asyncDispose]()
    expect(await survivors('62.5')).toEqual([])
    expect((await running).killedBy).toBeDefined()
    await expect(readlink(`/proc/${pid}/exe`)).rejects.toThrow('ENOENT')
    expect((await run(guard, 'true')).killedBy).toBe('guard')
  })
})

/** The fake worker's own arguments hold the command's text too. */
const aliveOnlyWorker = async (): Promise<boolean> =>
  (await processesWith('echo zombie')).every((line) => line.includes('fake-worker.ts'))

describe.each(['off', 'required'] as const)('a worker with the sandbox %s', (mode) => {
  const LEASE_MS = 1_500
  /** So that only the end of the worker can be what ended a command. */
  const LONG_LEASE_MS = 61_234
  let worker: ChildProcess
  let output: string
  const noGuard = async (): Promise<boolean> =>
    (await processesWith(`guard-process.ts\0${LONG_LEASE_MS}`)).length === 0

  const startWorker = async (command: string, leaseMs: number): Promise<void> => {
    const sandbox = await createSandbox({ mode, network: 'none', closedDirs: [], env })
    const wrapped = await sandbox.wrap(['bash', '-c', command], folder)
    if (!wrapped.ok) throw new Error(wrapped.refusal)
    const script = fileURLToPath(new URL('support/fake-worker.ts', import.meta.url))
    const args = [script, String(leaseMs), folder, JSON.stringify(wrapped.argv)]
    worker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    output = ''
    worker.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    await until('the command runs', () => output.includes('running'))
  }
  afterEach(async () => {
    if (worker.exitCode !== null || worker.signalCode !== null) return
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  })

  it('keeps its commands as long as it beats', async () => {
    await startWorker('echo running; sleep 1.8; echo written >> out', LEASE_MS)
    await until('it ended', () => output.includes('ended'))
    expect(await appended()).toBe('written\n')
  })

  it.each([
    ['setsid', 'setsid bash -c "sleep 4; echo zombie >> out" &'],
    // More than the pipe to the worker, which nobody reads, can hold.
    ['flooding', 'sleep 0.1; yes | head -c 2000000;'],
  ])('that is stopped loses its commands before the lease ends: %s', async (_name, command) => {
    await startWorker(`echo running; ${command} sleep 4; echo zombie >> out`, LEASE_MS)
    worker.kill('SIGSTOP')
    const stopped = monotonicMs()
    await until('the command is dead', aliveOnlyWorker)
    expect(monotonicMs() - stopped).toBeLessThan(LEASE_MS)
    await sleep(4_200 - (monotonicMs() - stopped))
    expect(await appended()).toBe('')
    worker.kill('SIGCONT')
    await until('it learns so', () => output.includes('"killedBy":"lease"'))
  })

  it.each([
    ['plain', 'echo running; sleep 63.5'],
    ['setsid', 'setsid sleep 63.5 & echo running; wait'],
    ['nohup', 'nohup sleep 63.5 >/dev/null 2>&1 & (trap "" HUP TERM; sleep 63.5) & echo running; wait'],
    ['flooding', 'echo running; setsid yes 63.5 & sleep 63.5'],
  ])('that is killed leaves nothing behind: %s', async (_name, command) => {
    await startWorker(command, LONG_LEASE_MS)
    const [guardPid] = await guardPids(worker.pid ?? 0)
    worker.kill('SIGKILL')
    const killed = monotonicMs()
    await until('all is dead', async () => (await processesWith('\u000063.5')).length === 0)
    expect(monotonicMs() - killed).toBeLessThan(1_000)
    await until('the guard is gone', noGuard)
    expect(guardPid).toBeGreaterThan(0)
  })

  it('that is killed together with its guard leaves nothing that the reaper does not end', async () => {
    await startWorker('setsid sleep 64.5 & echo running; sleep 64.5', LONG_LEASE_MS)
    const [guardPid = 0] = await guardPids(worker.pid ?? 0)
    worker.kill('SIGSTOP')
    process.kill(guardPid, 'SIGKILL')
    worker.kill('SIGKILL')
    await until('the guard is gone', noGuard)
    // Bubblewrap dies with the guard; without it the next worker's start is what ends them.
    if (mode === 'required')
      await until('bubblewrap is dead', async () => (await survivors('64.5')).length === 0)
    const reaped = await reapLeftovers()
    expect({ survivors: await survivors('64.5'), reaped: reaped > 0 }).toEqual({
      survivors: [],
      reaped: mode === 'off',
    })
  })
})

describe('the reaper', () => {
  it('leaves the commands of a living guard alone', async () => {
    await using guard = beatenGuard()
    const running = run(guard, 'echo on > ready; until [ -e go ]; do sleep 0.01; done; echo fine')
    await until('it runs', async () => (await readdir(folder)).includes('ready'))
    await reapLeftovers()
    await writeFile(join(folder, 'go'), '')
    expect((await running).stdout).toBe('fine\n')
  })
})
