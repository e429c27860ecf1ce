import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { everything, startServers } from './support.ts'

/** One call of every tool that is offered to a client without sampling, elicitation and roots. */
const CALLS: Record<string, [args: object, expected: RegExp | string]> = {
  echo: [{ message: 'hello' }, 'Echo: hello'],
  'get-annotated-message': [
    { messageType: 'error', includeImage: true },
    /^Error: Operation failed\n\[image, image\/png, \d+ bytes: not shown\]$/,
  ],
  'get-env': [{}, /"PATH": /],
  'get-resource-links': [
    { count: 2 },
    /\[link to a resource demo:\/\/resource\/dynamic\/blob\/1, text\/plain: /,
  ],
  'get-resource-reference': [
    { resourceType: 'Text', resourceId: 1 },
    /\[resource demo:\/\/resource\/dynamic\/text\/1, text\/plain, \d+ bytes\]\nResource 1: This is a plaintext/,
  ],
  'get-structured-content': [{ location: 'Chicago' }, /"temperature"/],
  'get-sum': [{ a: 2, b: 3 }, 'The sum of 2 and 3 is 5.'],
  'get-tiny-image': [{}, /\[image, image\/png, \d+ bytes: not shown\]/],
  'gzip-file-as-resource': [
    { name: 'a.gz', data: 'data:text/plain,hello', outputType: 'resource' },
    /^\[resource demo:\/\/resource\/session\/a\.gz, application\/gzip, \d+ bytes\] \(not shown\)$/,
  ],
  'toggle-simulated-logging': [{}, /simulated/i],
  'toggle-subscriber-updates': [{}, /simulated/i],
  'trigger-long-running-operation': [{ duration: 0.1, steps: 2 }, /completed/],
}

const startOverHttp = async () => {
  const port = await freePort()
  const server: ChildProcess = spawn(everything.command, [...everything.args, 'streamableHttp'], {
    env: { PATH: process.env['PATH'], PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(server, 'exit')
  const end = async () => {
    server.kill('SIGKILL')
    await ended
  }
  onTestFinished(end)
  await once(server.stderr!, 'data')
  return { url: `http://127.0.0.1:${port}/mcp`, port, end }
}

test.each(['stdio', 'http'])('every tool of server-everything can be called over %s', async (transport) => {
  const entry = transport === 'stdio' ? everything : { url: (await startOverHttp()).url }
  const { mcp, names, ready, call } = await startServers({ all: entry })
  await ready()
  expect(names()).toEqual(Object.keys(CALLS).map((name) => `mcp__all__${name}`))
  expect(mcp.state()).toEqual({
    name: 'mcp',
    status: 'ready',
    message: 'MCP initialized successfully',
    details: {
      servers: 1,
      tools: names().length,
      attempts: 1,
      not_offered: { 'mcp__all__simulate-research-query': 'it demands task-based execution' },
    },
  })
  for (const [name, [args, expected]] of Object.entries(CALLS)) {
    const output = await call(`mcp__all__${name}`, args)
    expect(output).toEqual({
      content: expect.stringMatching(expected),
    })
  }
})

test('schemas reach the model as the server wrote them', async () => {
  const { toolbox, ready } = await startServers({ all: everything })
  await ready()
  const spec = toolbox.specs('full').find(({ name }) => name === 'mcp__all__get-structured-content')
  expect(spec?.parameters).toMatchObject({
    type: 'object',
    properties: { location: { type: 'string', enum: ['New York', 'Chicago', 'Los Angeles'] } },
    required: ['location'],
  })
  expect(Object.keys(spec?.parameters ?? {})).toContain('$schema')
})

test('progress is passed on while a call runs', async () => {
  const { ready, call } = await startServers({ all: everything })
  await ready()
  const seen: string[] = []
  await call(
    'mcp__all__trigger-long-running-operation',
    { duration: 0.3, steps: 3 },
    { stream: (chunk) => seen.push(chunk) },
  )
  // The last one may come together with the answer, which then goes ahead of it.
  expect(seen.slice(0, 2)).toEqual(['1/3\n', '2/3\n'])
})

test('arguments that the server refuses come back as the result of that call', async () => {
  const { ready, call } = await startServers({ all: everything })
  await ready()
  const output = await call('mcp__all__get-sum', { a: 'two' })
  expect(output.error).toBe('the tool reports an error')
  expect(output.content).toMatch(/expected number/i)
})
