import { expect, test } from 'vitest'
import { calls, startService } from '../support/service.ts'
import { watch } from '../support/watch.ts'
import { html, startSite } from '../tools/support/web-site.ts'

test('a worker searches with the configured key, and reads no page of its own network', async () => {
  const service = await startService()
  const { model } = service
  const site = await startSite(html('secret'))
  model.onSearch('parrots', [{ title: 'On parrots', url: 'https://example.com/', content: 'They talk.' }])
  model.on(
    { turnIndex: 0 },
    calls(
      ['web_search', { query: 'parrots' }],
      ['web_fetch', { url: site.url }],
      ['web_fetch', { url: 'http://localhost/', prompt: 'What is it?' }],
    ),
  )
  model.on({ turnIndex: 1 }, { content: 'Parrots talk.' })
  await service.startWorker({ TAVILY_API_KEY: 'tvly-test', TAVILY_BASE_URL: model.url })

  const { task_id } = await service.submit({ task: 'find out', tool_preset: 'web-only' })
  const stream = watch(`${service.url}/api/tasks/${task_id}/events`)
  await stream.next('task_complete')
  // They arrive as they end.
  const results = stream.events.filter(({ event_type }) => event_type === 'tool_call_complete')
  const byCall = new Map(results.map(({ call_id, error, result }) => [call_id, { error, result }]))
  expect(byCall.get('1.1')?.result).toContain('https://example.com/\nThey talk.')
  expect(byCall.get('1.2')).toMatchObject({
    error: 'refused address',
    result: expect.stringContaining('is loopback'),
  })
  expect(byCall.get('1.3')).toMatchObject({
    error: 'refused address',
    result: expect.stringContaining('not a public name'),
  })
  expect(site.requests).toEqual([])
})
