import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createGuard } from '../../src/agent/tools/guard-client.ts'
import { monotonicMs } from '../../src/agent/tools/guard-protocol.ts'
import { LeaseLost } from '../../src/errors.ts'
import { eventually, processesWith } from '../support/processes.ts'
import { everything, filesystem, makeFolder, odd, startServers, traceIn } from './support.ts'

const SECRET = 'hunter2-of-the-odd-server'

test('one bad server neither hides nor breaks the others, and health names each', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'note.txt'), 'remember the milk')
  const { mcp, call, untilLogged, names } = await startServers(
    {
      crashing: odd('crashing', await makeFolder()),
      files: filesystem(folder),
      hanging: odd('hanging', await makeFolder()),
      lacking: odd('well', folder, { env: { KEY: '${NO_SUCH_VARIABLE}' } }),
      missing: { command: '/no/such/command' },
      'switched-off': odd('well', folder, { disabled: true }),
      unreachable: { url: 'http://127.0.0.1:9/mcp' },
    },
    { timing: { initMs: 1_500 } },
  )
  await untilLogged('files connected')
  await untilLogged('hanging is not connected')
  await untilLogged('crashing is not connected')
  await untilLogged('unreachable is not connected')
  await untilLogged('missing is not connected')
  const { status, message, details } = mcp.state()
  expect(status).toBe('not_ready')
  expect(message).toMatch(/^5 of 6 servers not connected: crashing: /)
  expect(details).toMatchObject({
    servers: 1,
    not_connected: {
      crashing: expect.stringContaining('exit code 1: Error: no licence'),
      hanging: expect.stringContaining('no answer within 1.5 s'),
      lacking: 'not set in the environment: NO_SUCH_VARIABLE',
      missing: expect.stringContaining('ENOENT'),
      unreachable: expect.stringContaining('fetch failed'),
    },
  })
  expect(Number(details?.['attempts'])).toBeGreaterThan(1)
  expect(names().every((name) => name.startsWith('mcp__files__'))).toBe(true)
  const read = await call('mcp__files__read_text_file', { path: join(folder, 'note.txt') })
  expect(read).toEqual({ content: 'remember the milk' })
})

test('a server that hung at its start is given up and comes back by itself', async () => {
  const folder = await makeFolder()
  const { mcp, ready, untilLogged, call } = await startServers(
    { slow: odd('hanging-once', folder) },
    { timing: { initMs: 1_500 } },
  )
  await untilLogged('slow is not connected: no answer within 1.5 s')
  await ready()
  expect(mcp.state().details).toMatchObject({ servers: 1, attempts: 2 })
  expect(await call('mcp__slow__look')).toEqual({ content: 'seen' })
  expect(await processesWith(folder)).toHaveLength(1)
})

test('a server that dies during a call leaves that call interrupted and is started again', async () => {
  const folder = await makeFolder()
  const { mcp, ready, call, names, untilLogged } = await startServers(
    { mortal: odd('well', folder), other: odd('well', await makeFolder()) },
    { timing: { retryMs: 300 } },
  )
  await ready()
  const before = names()
  const [dead, alive] = await Promise.all([call('mcp__mortal__die'), call('mcp__other__look')])
  expect(alive).toEqual({ content: 'seen' })
  expect(dead.error).toBe('interrupted')
  expect(dead.content).toMatch(/^interrupted: the MCP server mortal was lost while this ran/)
  expect(dead.content).toContain('may or may not have taken effect')

  await untilLogged('mortal is not connected: it ended with exit code 7')
  expect(mcp.state()).toMatchObject({ status: 'not_ready', details: { servers: 1 } })
  expect(names().some((name) => name.startsWith('mcp__mortal__'))).toBe(false)
  const away = await call('mcp__mortal__look')
  expect(away).toMatchObject({ error: 'not connected', content: expect.stringContaining('exit code 7') })

  await ready()
  expect(names()).toEqual(before)
  expect(await call('mcp__mortal__look')).toEqual({ content: 'seen' })
})

test('a server that hangs after it was connected is noticed and replaced', async () => {
  const { ready, call, untilLogged } = await startServers(
    { icy: odd('well', await makeFolder()) },
    { timing: { pingMs: 100, initMs: 3_000 } },
  )
  await ready()
  await call('mcp__icy__freeze')
  await untilLogged('icy is not connected: it does not answer any more')
  await ready()
  expect(await call('mcp__icy__look')).toEqual({ content: 'seen' })
})

test('a call without answer or progress is stopped, and the server told so', async () => {
  const folder = await makeFolder()
  const { ready, call } = await startServers({ odd: odd('well', folder) }, { timing: { idleMs: 200 } })
  await ready()
  const output = await call('mcp__odd__slow', { ms: 60_000 })
  expect(output.error).toBe('timeout')
  expect(output.content).toContain('neither an answer nor progress for 0.2 s; it may or may not')
  await eventually(async () => (await traceIn(folder)).includes('slow was cancelled'))
})

test('an abort sends the cancellation of the protocol', async () => {
  const folder = await makeFolder()
  const { ready, call } = await startServers({ odd: odd('well', folder) })
  await ready()
  const stop = new AbortController()
  const calling = call('mcp__odd__slow', { ms: 60_000 }, { signal: stop.signal })
  await eventually(async () => (await traceIn(folder)).includes('slow began'))
  stop.abort('cancelled')
  expect((await calling).error).toBe('cancelled')
  await eventually(async () => (await traceIn(folder)).includes('slow was cancelled'))
})

test('a call is not made without a lease', async () => {
  const folder = await makeFolder()
  const { ready, call } = await startServers({ odd: odd('well', folder) })
  await ready()
  const assertLease = () => {
    throw new LeaseLost('gone')
  }
  await expect(call('mcp__odd__slow', { ms: 0 }, { assertLease })).rejects.toThrow(LeaseLost)
  expect(await traceIn(folder)).toHaveLength(1)
})

test('servers end when the worker has no confirmed heartbeat, and start again with the next', async () => {
  const folder = await makeFolder()
  const guard = createGuard({ leaseMs: 1_500 })
  const { mcp, ready, call } = await startServers({ odd: odd('well', folder) }, { guard })
  const waiting = '1 of 1 servers not connected: odd: waiting for a confirmed heartbeat of this worker'
  await eventually(async () => mcp.state().message === waiting)
  const beating = setInterval(() => guard.beat(monotonicMs()), 100)
  try {
    await ready()
    const calling = call('mcp__odd__slow', { ms: 60_000 })
    await eventually(async () => (await traceIn(folder)).includes('slow began'))
    clearInterval(beating)
    expect((await calling).error).toBe('interrupted')
    expect(await processesWith(folder)).toEqual([])
    expect(mcp.state().details).toMatchObject({ servers: 0, attempts: 0 })
    guard.beat(monotonicMs())
    await ready()
    expect(await traceIn(folder)).not.toContain('slow took effect')
  } finally {
    clearInterval(beating)
  }
})

test('tools that appear while the worker runs are offered', async () => {
  const { ready, call, names } = await startServers({ odd: odd('well', await makeFolder()) })
  await ready()
  expect(names()).not.toContain('mcp__odd__grown')
  await call('mcp__odd__grow')
  await eventually(async () => names().includes('mcp__odd__grown'))
  expect(names()).toEqual(names().toSorted())
  expect(await call('mcp__odd__grown')).toEqual({ content: 'tall' })
})

test('results are text, capped, and failures are told as failures', async () => {
  const { ready, call, names } = await startServers({ odd: odd('noisy', await makeFolder()) })
  await ready()
  expect(await call('mcp__odd__fail')).toEqual({
    content: 'out of paper',
    error: 'the tool reports an error',
  })
  const flood = await call('mcp__odd__flood')
  expect(flood).toMatchObject({ truncated: true, content: expect.stringMatching(/^begin.*end$/s) })
  expect(flood.content.length).toBeLessThanOrEqual(16_000)
  const inked = names().find((name) => name.startsWith('mcp__odd__p_per___ink_'))
  expect(await call(inked ?? '')).toEqual({ content: 'inked' })
})

test('null goes to the server where its schema takes it, and is left out where it does not', async () => {
  const { ready, call } = await startServers({ odd: odd('well', await makeFolder()) })
  await ready()
  expect(await call('mcp__odd__nulls', { meant: null })).toEqual({ content: '{"meant":null}' })
  const both = await call('mcp__odd__nulls', { meant: 'x', optional: null })
  expect(both).toEqual({ content: '{"meant":"x"}' })
})

const EVERY = ['die', 'fail', 'flood', 'freeze', 'grow', 'look', 'nulls', 'slow']

test.each([
  [true, { full: EVERY, 'read-only': ['look'], safe: ['look'], 'code-only': [], 'web-only': [] }],
  [false, { full: EVERY, 'read-only': [], safe: [], 'code-only': [], 'web-only': [] }],
])('presets offer and run only what they may when annotations are trusted: %s', async (trust, presets) => {
  const folder = await makeFolder()
  const { ready, call, names, toolbox } = await startServers({
    odd: odd('well', folder, { trust_annotations: trust }),
  })
  await ready()
  expect(toolbox.effectOf('mcp__odd__look')).toBe(trust ? 'read' : 'external')
  expect(toolbox.effectOf('mcp__odd__slow')).toBe('external')
  for (const [preset, allowed] of Object.entries<string[]>(presets)) {
    const offered = names(preset).map((name) => name.slice('mcp__odd__'.length))
    expect(offered.filter((name) => EVERY.includes(name))).toEqual(allowed)
    const looked = await call('mcp__odd__look', {}, { preset })
    expect(looked.error).toBe(allowed.includes('look') ? undefined : `refused by preset ${preset}`)
    if (preset === 'full') continue
    expect((await call('mcp__odd__slow', { ms: 0 }, { preset })).error).toBe(`refused by preset ${preset}`)
  }
  expect(await traceIn(folder)).toHaveLength(1)
})

test('secrets of an entry are neither in the log, nor in health, nor in what tools return', async () => {
  const { mcp, untilLogged, logged, call } = await startServers(
    {
      all: { ...everything, env: { API_TOKEN: SECRET, PLAIN: 'plain-value' } },
      odd: odd('crashing', await makeFolder(), { env: { LICENCE_KEY: '${ODD_KEY}' } }),
    },
    { variables: { ODD_KEY: SECRET } },
  )
  await untilLogged('odd is not connected')
  await untilLogged('all connected')
  expect(logged()).toContain('no licence for [redacted]')
  expect(logged() + JSON.stringify(mcp.state())).not.toContain(SECRET)
  const { content } = await call('mcp__all__get-env')
  expect(content).toContain('"API_TOKEN": "[redacted]"')
  expect(content).toContain('"PLAIN": "plain-value"')
})

test('nothing of a server is left when the worker ends', async () => {
  const folder = await makeFolder()
  const { mcp } = await startServers({ odd: odd('well', folder), stuck: odd('hanging', folder) })
  await eventually(async () => (await traceIn(folder)).length === 2)
  await eventually(async () => mcp.state().details?.['servers'] === 1)
  await mcp[Symbol.asyncDispose]()
  expect(await processesWith(folder)).toEqual([])
})
