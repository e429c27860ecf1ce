import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { supervise } from '../../src/supervise.ts'
import { forkFixture, isAlive, lines, until } from './processes.ts'
import { tempFolder } from './temp.ts'

const quiet = await createLog({ verbose: false, format: 'json', redact: () => '' })
const CHILD = join(import.meta.dirname, 'fixtures/child.ts')
const SUPERVISOR = new URL('fixtures/supervisor.ts', import.meta.url)

/** What the children wrote, as `name what`; their pids by name. */
const journalOf = (folder: string) => ({
  entries: async () => (await lines(join(folder, 'journal'))).map((line) => line.replace(/ \d+$/, '')),
  pids: async (name: string) =>
    (await lines(join(folder, 'journal')))
      .filter((line) => line.startsWith(`${name} started`))
      .map((line) => Number(line.split(' ')[2])),
})
const pidIn = async (folder: string, name: string) =>
  Number(await readFile(join(folder, `${name}.pid`), 'utf8').catch(() => '0'))

const startsOf = (journal: ReturnType<typeof journalOf>, name: string) =>
  until(`${name} to start`, async () => {
    const pids = await journal.pids(name)
    return pids.length > 0 && pids
  })

const child = (folder: string, name: string, behaviour: string) => ({
  name,
  argv: [CHILD, folder, name, behaviour],
  graceMs: 500,
})

const run = async (folder: string, worker = 'steady') => {
  const fixture = forkFixture(SUPERVISOR, folder, worker)
  await fixture.message()
  const journal = journalOf(folder)
  await until('both children', async () => (await journal.entries()).length === 2)
  const pids = [...(await journal.pids('api')), ...(await journal.pids('worker'))]
  const redis = await until('redis', async () => (await pidIn(folder, 'redis')) || false)
  return { ...fixture, journal, pids, redis }
}

describe('within one process', () => {
  test('a process that was killed is started again', async () => {
    await using folder = await tempFolder()
    const journal = journalOf(folder.path)
    const supervisor = await supervise({
      log: quiet,
      processes: () => [child(folder.path, 'worker', 'steady')],
    })
    const [first = 0] = await startsOf(journal, 'worker')
    process.kill(first, 'SIGKILL')
    await until('the second start', async () => (await journal.pids('worker')).length === 2)
    await supervisor.stop()
    expect((await journal.entries()).at(-1)).toBe('worker ended')
  })

  test('one that does not end when asked is killed when its grace is over', async () => {
    await using folder = await tempFolder()
    const journal = journalOf(folder.path)
    const supervisor = await supervise({
      log: quiet,
      processes: () => [child(folder.path, 'worker', 'stubborn')],
    })
    const [pid = 0] = await startsOf(journal, 'worker')
    await supervisor.stop()
    expect(isAlive(pid)).toBe(false)
    expect(await journal.entries()).toEqual(['worker started', 'worker asked'])
  })

  test('a wrong configuration is not tried again, and stops the others', async () => {
    await using folder = await tempFolder()
    const journal = journalOf(folder.path)
    const supervisor = await supervise({
      log: quiet,
      processes: () => [child(folder.path, 'api', 'refusing'), child(folder.path, 'worker', 'steady')],
    })
    expect(await supervisor.failed).toBe(78)
    expect(await journal.pids('api')).toHaveLength(1)
    for (const pid of await journal.pids('worker')) expect(isAlive(pid)).toBe(false)
  })

  test('one that never starts well is given up after five times', async () => {
    await using folder = await tempFolder()
    const supervisor = await supervise({ log: quiet, processes: () => [child(folder.path, 'api', 'broken')] })
    expect(await supervisor.failed).toBe(1)
    expect(await journalOf(folder.path).pids('api')).toHaveLength(5)
  })
})

describe('as a process', () => {
  test('SIGTERM asks each process once, then ends Redis, then leaves with 0', async () => {
    await using folder = await tempFolder()
    await using supervisor = await run(folder.path)
    supervisor.child.kill('SIGTERM')
    expect(await supervisor.ended).toEqual([0, null])
    const said = await supervisor.journal.entries()
    expect(said.filter((entry) => entry.endsWith('asked')).toSorted()).toEqual(['api asked', 'worker asked'])
    for (const pid of [...supervisor.pids, supervisor.redis]) expect(isAlive(pid)).toBe(false)
    expect(await pidIn(folder.path, 'api')).toBe(0)
  })

  test('while a process takes its time to end, Redis is still there', async () => {
    await using folder = await tempFolder()
    await using supervisor = await run(folder.path, 'stubborn')
    supervisor.child.kill('SIGTERM')
    await until('the worker to be asked', async () =>
      (await supervisor.journal.entries()).includes('worker asked'),
    )
    expect(isAlive(supervisor.redis)).toBe(true)
    supervisor.child.kill('SIGUSR2')
    expect(await supervisor.ended).toEqual([9, null])
    await until('all to be gone', () => [...supervisor.pids, supervisor.redis].every((pid) => !isAlive(pid)))
  })

  test.each(['steady', 'stubborn'])(
    'killed, it takes Redis and the processes with it, %s ones too',
    async (worker) => {
      await using folder = await tempFolder()
      await using supervisor = await run(folder.path, worker)
      supervisor.child.kill('SIGKILL')
      await until('all to be gone', () =>
        [...supervisor.pids, supervisor.redis].every((pid) => !isAlive(pid)),
      )
      expect((await supervisor.journal.entries()).filter((entry) => entry.endsWith('orphaned'))).toHaveLength(
        2,
      )
    },
  )

  test('a Redis that crashed is started again for the same processes', async () => {
    await using folder = await tempFolder()
    await using supervisor = await run(folder.path)
    process.kill(supervisor.redis, 'SIGKILL')
    const next = await until('another Redis', async () => {
      const pid = await pidIn(folder.path, 'redis')
      return pid !== supervisor.redis && pid > 0 && pid
    })
    expect(isAlive(next)).toBe(true)
    expect(await supervisor.journal.entries()).toHaveLength(2)
    supervisor.child.kill('SIGTERM')
    await supervisor.ended
    expect(isAlive(next)).toBe(false)
  })
})
