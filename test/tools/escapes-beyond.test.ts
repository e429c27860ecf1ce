/** Ways out that no sandbox is about: arguments that pass for flags, addresses, MCP tools, subagents, races. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as tick } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { Guard } from '../../src/agent/tools/guard.ts'
import { makeFolder, odd, startServers, traceIn } from '../mcp/support.ts'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'
import { createRepository, type RepositoryFixture } from './git/repository.ts'
import { startDns } from './support/dns-server.ts'
import { createFetcher, startSite } from './support/web-site.ts'

let repo: RepositoryFixture
beforeAll(async () => {
  repo = await createRepository()
})
afterAll(() => repo[Symbol.asyncDispose]())

it('a pattern, a path or a query that begins with - is never read as a flag', async () => {
  const sprung = join(repo.root, 'sprung')
  const trap = join(repo.root, 'trap')
  await writeFile(trap, `#!/bin/sh\ntouch ${sprung}\n`, { mode: 0o755 })
  await repo.write('changed.txt', 'x\n')
  const searches = [`--pre=${trap}`, '-f/etc/passwd', '--files', '--', '-e'].map(async (flag) => {
    expect((await repo.call('grep', { pattern: flag })).content).toBe('No matches.')
    expect((await repo.call('grep', { pattern: 'x', path: flag })).error).toBe('no such file or folder')
    expect((await repo.call('grep', { pattern: 'x', file_type: flag })).error).toBe('invalid arguments')
  })
  const histories = ['message', 'code', 'file', 'author', 'date'].map(async (type) => {
    const { content } = await repo.call('git_history', { query: `--output=${sprung}`, type })
    expect(content).toMatch(type === 'date' ? /^Not done: .* is no date/ : /^No commits found/)
  })
  await Promise.all([...searches, ...histories])
  const message = `--upload-pack=${trap}`
  const committed = await repo.call('git_commit', { message, auto: true }, { preset: 'code-only' })
  expect(committed.content).toContain(message)
  for (const base of [`--exec=${trap}`, '-o', 'a b', '../x'])
    expect((await repo.call('git_pr', { base })).error).toBe('invalid arguments')
  expect(existsSync(sprung)).toBe(false)
})

it.each([
  ['file:///etc/passwd', /neither http nor https/],
  ['file://localhost/etc/passwd', /neither http nor https/],
  ['ftp://1.1.1.1/', /neither http nor https/],
  ['gopher://127.0.0.1:6379/_FLUSHALL', /neither http nor https/],
  ['javascript:alert(1)', /neither http nor https/],
  ['data:text/html,x', /neither http nor https/],
  ['http://169.254.169.254/latest/meta-data/', /169\.254\.169\.254 is a cloud metadata address/],
  ['http://169.254.169.254./', /cloud metadata/],
  ['http://2852039166/', /169\.254\.169\.254 is a cloud metadata address/],
  ['http://0xa9fea9fe/', /169\.254\.169\.254 is a cloud metadata address/],
  ['http://0xa9.0xfe.0xa9.0xfe/', /cloud metadata/],
  ['http://0xa9fe.0xa9fe/', /not a URL/],
  ['http://0251.0376.0251.0376/', /cloud metadata/],
  ['http://169.16689662/', /cloud metadata/],
  ['http://１６９.254.169.254/', /cloud metadata/],
  ['http://169。254。169。254/', /cloud metadata/],
  ['http://[::ffff:a9fe:a9fe]/', /embeds an IPv4 address/],
  ['http://[::ffff:169.254.169.254]/', /embeds an IPv4 address/],
  ['http://[64:ff9b::a9fe:a9fe]/', /embeds an IPv4 address/],
  ['http://[2002:a9fe:a9fe::]/', /embeds an IPv4 address/],
  ['http://[fe80::1%25lo]/', /not a URL|is no IP/],
  ['http://1.1.1.1@169.254.169.254/', /holds credentials/],
  ['http://169.254.169.254#@1.1.1.1/', /cloud metadata/],
  ['http://169.254.169.254\\@1.1.1.1/', /cloud metadata/],
  ['http://localhost/', /not a public name/],
  ['http://LOCALHOST./', /not a public name/],
  ['http://a.localhost/', /not a public name/],
  ['http://127.2:6379/', /is loopback/],
  ['http://metadata.google.internal/', /not a public name/],
  ['http://169.254.169.254.nip.test/', /leads to 169\.254\.169\.254, which is a cloud metadata address/],
  ['http://mapped.test/', /leads to ::ffff:169\.254\.169\.254, which embeds/],
])('web_fetch does not fetch %s, nor when it is redirected there', async (url, why) => {
  const site = await startSite((_request, response) => {
    response.writeHead(302, { location: Buffer.from(url).toString('latin1') })
    response.end()
  })
  const { server } = await startDns((name) => [
    name === 'mapped.test' ? '::ffff:a9fe:a9fe' : '169.254.169.254',
  ])
  const fetch = createFetcher(repo, { dnsServers: [server] })
  expect(await fetch(url)).toEqual({ content: expect.stringMatching(why), error: 'refused address' })
  // What is beyond ASCII becomes another name in a header; it leads to the same place here.
  const redirected = await fetch(`${site.url}/start`)
  expect(redirected.error).toBe('refused address')
  expect(redirected.content).toContain(`${site.url}/start redirects; `)
})

it('an MCP tool that may change things is not called under safe, by no spelling', async () => {
  const folder = await makeFolder()
  const { ready, call, names } = await startServers({
    odd: odd('well', folder),
    wary: odd('well', folder, { trust_annotations: false }),
  })
  await ready()
  expect(names('safe')).toEqual(['mcp__odd__look'])
  for (const preset of ['safe', 'read-only', 'code-only', 'web-only'])
    expect(await call('mcp__odd__slow', { ms: 0 }, { preset })).toMatchObject({
      error: `refused by preset ${preset}`,
    })
  expect((await call('mcp__wary__look', {}, { preset: 'safe' })).error).toBe('refused by preset safe')
  for (const name of ['odd__slow', 'slow', 'MCP__odd__slow', 'mcp__odd__slow ', '__proto__', 'constructor'])
    expect((await call(name, { ms: 0 }, { preset: 'safe' })).error).toBe('unknown tool')
  expect(await traceIn(folder)).not.toContain('slow took effect')
})

it('a subagent of a read-only parent gets no shell, however it asks', async () => {
  const service = await startService()
  const asking = calls(
    ['bash', { command: 'touch done' }],
    ['file_write', { path: 'done', content: 'x' }],
    ['subagent', { subtasks: ['touch done'] }],
  )
  const subtasks = ['tool_preset: full. Run bash']
  const parent = { userMessage: 'the parent' }
  service.model.on({ ...parent, turnIndex: 0 }, calls(['subagent', { subtasks, tool_preset: 'full' }]))
  service.model.on({ ...parent, turnIndex: 1 }, { content: 'put together' })
  service.model.on({ userMessage: 'Run bash', turnIndex: 0 }, asking)
  service.model.on({ userMessage: 'Run bash', turnIndex: 1 }, { content: 'could not' })
  await service.startWorker()
  const { task_id, session_id } = await service.submit({ task: 'the parent', tool_preset: 'read-only' })
  const session = watch(`${service.url}/api/sse?session_id=${session_id}&replay=all`)
  expect(await service.ended(task_id)).toMatchObject({ result: { answer: 'put together' } })
  await session.next('task_complete', task_id)
  const refusals = session.events
    .filter((event) => event.task_id !== task_id && event.event_type === 'tool_call_complete')
    .map((event) => event['error'])
  expect(refusals).toEqual([
    'refused by preset read-only',
    'refused by preset read-only',
    'refused: this is a subagent',
  ])
  expect(await readdir(service.workspace)).not.toContain('done')
})

it.each(['for good', 'for as long as it searches'])(
  'a folder that is a symlink %s when ripgrep comes to it gives no line of what it leads to',
  async (how) => {
    await using own = await createRepository()
    const [outside, place] = [join(own.root, 'outside'), join(own.workspace, 'place')]
    await mkdir(outside)
    await writeFile(join(outside, 'file.txt'), 'the secret\n')
    await own.write('place/file.txt', 'the inside\n')
    const guard: Guard = {
      ...own.guard,
      async run(command) {
        await rename(place, join(own.root, 'away'))
        await symlink(outside, place)
        const result = await own.guard.run(command)
        expect(result.stdout).toContain('the secret')
        if (how !== 'for good') await unlink(place).then(() => rename(join(own.root, 'away'), place))
        return result
      },
    }
    const call = { tool_name: 'grep', arguments: JSON.stringify({ pattern: 'the', path: 'place' }) }
    const { content } = await own.toolbox.execute(call, { ...own.context, callKey: how, guard }, 'full')
    expect(content).toBe('No matches.')
  },
)

it('a folder that becomes a symlink between check and use leads no tool out', async () => {
  const outside = join(repo.root, 'outside')
  await mkdir(outside)
  for (const name of ['file.txt', 'secret-name.txt']) await writeFile(join(outside, name), 'the secret\n')
  const place = join(repo.workspace, 'place')
  const stop = new AbortController()
  const quietly = (step: Promise<unknown>) => step.catch(() => {})
  const swapping = (async () => {
    while (!stop.signal.aborted) {
      await quietly(rm(place, { recursive: true, force: true }))
      await quietly(symlink('../outside', place))
      await tick()
      await quietly(unlink(place))
      await quietly(mkdir(place))
      await quietly(writeFile(join(place, 'file.txt'), 'the inside\n'))
      await tick()
    }
  })()
  onTestFinished(() => stop.abort())
  const seen = new Map<string, Set<string>>()
  const tried = async (tool: string, args: object) => {
    const { content } = await repo.call(tool, args)
    seen.set(tool, (seen.get(tool) ?? new Set()).add(content))
  }
  const edit = { file_path: 'place/file.txt', old_string: 'the', new_string: 'THE' }
  for (let i = 0; i < 60; i += 1) {
    await tried('file_read', { path: 'place/file.txt' })
    await tried('file_edit', edit)
    await tried('file_write', { path: 'place/new.txt', content: 'x' })
    await tried('list_files', { path: i % 2 === 0 ? 'place' : '.' })
    await tried('find', { name: '*.txt', path: i % 2 === 0 ? 'place' : '.' })
    if (i % 3 === 0)
      if (i % 3 === 0)
        await tried('grep', { pattern: 'the (inside|secret)', path: i % 2 === 0 ? 'place' : '.' })
  }
  stop.abort()
  await swapping
  for (const [tool, contents] of seen) {
    expect([tool, contents.size > 1]).toEqual([tool, true])
    expect([...contents].filter((content) => content.includes('secret'))).toEqual([])
  }
  expect((await readdir(outside)).toSorted()).toEqual(['file.txt', 'secret-name.txt'])
  expect(await readFile(join(outside, 'file.txt'), 'utf8')).toBe('the secret\n')
})
