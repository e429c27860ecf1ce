import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readMcpConfig } from '../../src/agent/mcp/mcp-config.ts'
import { offeredName } from '../../src/agent/mcp/offered-name.ts'
import { eventually } from '../support/processes.ts'
import { makeFolder, startFile } from './support.ts'

const written = async (content: unknown): Promise<string> => {
  const path = join(await makeFolder(), 'mcp-config.json')
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const read = async (mcpServers: Record<string, unknown>, env: Record<string, string> = {}) => {
  const config = await readMcpConfig(await written({ mcpServers }), env)
  if (config.kind !== 'servers') throw new Error(JSON.stringify(config))
  return config.servers
}

test('servers are read in order of name, with variables filled in', async () => {
  const servers = await read(
    {
      web: { url: 'https://${HOST}/mcp', headers: { 'X-Key': 'k-${KEY}' } },
      files: { command: 'npx', args: ['-y', '${PKG}'], env: { ROOT: '/srv' }, trust_annotations: false },
      off: { command: 'x', disabled: true },
    },
    { HOST: 'example.com', KEY: 'abcdef', PKG: 'server' },
  )
  expect(servers).toMatchObject([
    {
      name: 'files',
      trustAnnotations: false,
      transport: { kind: 'stdio', command: 'npx', args: ['-y', 'server'], env: { ROOT: '/srv' } },
    },
    {
      name: 'web',
      trustAnnotations: true,
      transport: { kind: 'http', url: 'https://example.com/mcp', headers: { 'X-Key': 'k-abcdef' } },
    },
  ])
})

test.each([
  [{ command: 'x', args: ['${ABSENT}', '${EMPTY}'] }, 'not set in the environment: ABSENT, EMPTY'],
  [{ url: 'ftp://example.com' }, 'its url must begin with http:// or https://'],
  [{ command: 'x', autoApprove: [] }, /not valid: .*autoApprove/],
  [{ command: 'x', url: 'https://example.com' }, /not valid: .*command/],
  [{ command: 'x', args: [1] }, /not valid: args\.0: /],
  [{ command: 'x', type: 'sse' }, /not valid: type: /],
  [{}, /not valid: command: /],
  ['npx', /not valid/],
])('an entry that is wrong is the problem of that server alone: %j', async (entry, problem) => {
  const servers = await read({ good: { command: 'x' }, bad: entry }, { EMPTY: '' })
  expect(servers).toEqual([
    { name: 'bad', problem: expect.stringMatching(problem) },
    expect.objectContaining({ name: 'good' }),
  ])
})

test.each([
  ['{"mcpServers": {"a": {"env": {"KEY": "hunter2-hunter2"}}', 'is not valid: not a JSON object'],
  [{ servers: {} }, /mcpServers: .*Unrecognized key/],
  [{ mcpServers: [] }, /mcpServers/],
])('a file that is malformed makes MCP not ready, and says why: %j', async (content, problem) => {
  const { mcp } = startFile(await written(content))
  await eventually(async () => mcp.state().message !== 'starting')
  expect(mcp.state()).toMatchObject({ status: 'not_ready', message: expect.stringMatching(problem) })
  expect(mcp.state().message).not.toContain('hunter2')
})

test('no file at the default path is no fault, one that was named is', async () => {
  const path = join(await makeFolder(), 'absent.json')
  const byDefault = startFile(path).mcp
  const byName = startFile(path, { named: true }).mcp
  await eventually(async () => [byDefault, byName].every((mcp) => mcp.state().message !== 'starting'))
  expect(byDefault.state()).toEqual({
    name: 'mcp',
    status: 'ready',
    message: `no MCP servers: list them in ${path}`,
    details: { servers: 0, tools: 0, attempts: 0 },
  })
  expect(byName.state()).toMatchObject({ status: 'not_ready', message: expect.stringContaining(path) })
  expect(startFile(path, { enabled: false }).mcp.state()).toMatchObject({ status: 'disabled' })
})

test('names are kept where they can be, and else cut, cleaned and told apart by a hash', () => {
  expect(offeredName('github', 'create-issue')).toBe('mcp__github__create-issue')
  const odd = [
    ...['a b', 'a_b', 'a.b', 'a/b', 'ä_b'].map((server) => offeredName(server, 'tool')),
    ...['x', 'y'].map((tail) => offeredName('server', `${'long'.repeat(20)}${tail}`)),
    offeredName('a__b', 'c'),
    offeredName('a', 'b__c'),
    offeredName('a_', 'b'),
    offeredName('a', '_b'),
  ]
  expect(new Set(odd).size).toBe(odd.length)
  for (const name of odd) expect(name).toMatch(/^mcp__[A-Za-z0-9_-]{1,59}$/)
})
