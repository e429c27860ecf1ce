import { expect, test } from 'vitest'
import { configTable, describeConfig } from '../../src/config/describe.ts'
import { loadConfig } from '../../src/config.ts'
import { tempFolder } from './temp.ts'

test('every value is shown with its source, secrets by their ends', async () => {
  await using folder = await tempFolder()
  const env = {
    HOME: folder.path,
    OPENAI_API_KEY: 'sk-proj-0123456789-wxyz',
    REDIS_URL: 'redis://me:hunter22@host:1/2',
    ALEX_API_TOKENS: 'short,0123456789abcdefghij',
  }
  const rows = describeConfig(loadConfig({ argv: [], env, cwd: folder.path }))
  const value = (key: string) => rows.find((row) => row.key === key)?.value
  expect(value('api_key')).toBe('sk-…wxyz')
  expect(value('redis_url')).toBe('redis://me:…@host:1/2')
  expect(value('api_tokens')).toBe('…, …ghij')
  expect(value('port')).toBe('8080')
  expect(value('tavily_api_key')).toBe('')
  expect(rows.find(({ key }) => key === 'api_key')?.source).toBe('OPENAI_API_KEY in the environment')
  expect(JSON.stringify(rows)).not.toMatch(/hunter22|0123456789/)
})

test('the table has a row for every setting', () => {
  const table = configTable()
  expect(table).toContain('| `port` | `PORT` | 8080 | Port of the API |')
  expect(table).not.toContain('undefined')
})
