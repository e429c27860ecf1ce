import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeConfig } from '../../src/config/describe.ts'
import { CONFIG_KEYS, settingOf } from '../../src/config/schema.ts'
import { secretsOf } from '../../src/config.ts'
import { sandbox } from './sandbox.ts'

const SECRETS = CONFIG_KEYS.filter((key) => settingOf(key).secret)
const envOf = (key: (typeof CONFIG_KEYS)[number]) => settingOf(key).env ?? ''
/** What a file may hold for each; anything will do unless the setting has a form. */
const contentOf = (key: string) => (key === 'redis_url' ? 'redis://redis.example:6379/0' : `${key}-content`)

/** A sandbox with a file of secrets in it. */
const withFile = async (content: string) => {
  const box = await sandbox()
  const file = join(box.cwd, 'secret')
  await writeFile(file, content, { mode: 0o600 })
  return { ...box, config: box.file, file }
}

describe('secrets in files', () => {
  test('are every key, token, password and the URL of Redis', () => {
    expect(SECRETS).toEqual([
      'api_key',
      'tavily_api_key',
      'redis_url',
      'redis_password',
      'api_tokens',
      'token',
    ])
  })

  test.each(SECRETS)('%s is read from the file that its NAME_FILE names, trimmed', async (key) => {
    await using box = await withFile(`\n  ${contentOf(key)}\t\r\n`)
    const { config, sources } = box.load({ env: { [`${envOf(key)}_FILE`]: box.file } })
    expect([config[key]].flat()).toEqual([contentOf(key)])
    expect(sources[key]).toBe(`${box.file}, named by ${envOf(key)}_FILE in the environment`)
  })

  test.each(SECRETS)('%s and its NAME_FILE together stop the start, without showing either', async (key) => {
    await using box = await withFile(contentOf(key))
    const env = { [envOf(key)]: 'redis://hunter22.example', [`${envOf(key)}_FILE`]: box.file }
    expect(box.problems({ env })).toEqual([
      `both ${envOf(key)} and ${envOf(key)}_FILE are set in the environment: keep one`,
    ])
  })

  test('may be named in .env, and what the environment says goes before it', async () => {
    await using box = await withFile('sk-from-the-file')
    await writeFile(join(box.cwd, '.env'), `OPENAI_API_KEY_FILE=${box.file}\n`)
    expect(box.load().config.api_key).toBe('sk-from-the-file')
    expect(box.load({ env: { OPENAI_API_KEY: 'sk-of-the-environment' } }).config.api_key).toBe(
      'sk-of-the-environment',
    )
  })

  test('a list of tokens stands one on a line, or separated by commas', async () => {
    await using box = await withFile('first-token\nsecond-token, third-token\n')
    const { config } = box.load({ env: { ALEX_API_TOKENS_FILE: box.file } })
    expect(config.api_tokens).toEqual(['first-token', 'second-token', 'third-token'])
  })

  test('that are missing, folders or empty stop the start with the name and the path', async () => {
    await using box = await withFile(' \n')
    const missing = join(box.cwd, 'missing')
    const env = {
      OPENAI_API_KEY_FILE: missing,
      TAVILY_API_KEY_FILE: box.cwd,
      ALEX_API_TOKENS_FILE: box.file,
    }
    expect(box.problems({ env })).toEqual([
      `OPENAI_API_KEY_FILE in the environment names ${missing}, which cannot be read (ENOENT)`,
      `TAVILY_API_KEY_FILE in the environment names ${box.cwd}, which cannot be read (EISDIR)`,
      `ALEX_API_TOKENS_FILE in the environment names ${box.file}, which is empty`,
    ])
  })

  test.skipIf(process.getuid?.() === 0)('that this user may not read are told so', async () => {
    await using box = await withFile('sk-unreadable')
    await chmod(box.file, 0)
    expect(box.problems({ env: { OPENAI_API_KEY_FILE: box.file } })).toEqual([
      expect.stringContaining('cannot be read (EACCES)'),
    ])
  })

  test('are shown by their file, and masked', async () => {
    await using box = await withFile('sk-proj-0123456789-wxyz')
    const rows = describeConfig(box.load({ env: { OPENAI_API_KEY_FILE: box.file } }))
    expect(rows.find(({ key }) => key === 'api_key')).toMatchObject({
      value: 'sk-…wxyz',
      source: `${box.file}, named by OPENAI_API_KEY_FILE in the environment`,
    })
  })

  test('are named, with a configuration file that holds a secret, so that tools can be kept away', async () => {
    await using box = await withFile('sk-from-the-file')
    await writeFile(box.config, '{"model":"m"}')
    const load = () => box.load({ env: { OPENAI_API_KEY_FILE: box.file } }).secretFiles
    expect(load()).toEqual([box.file])
    await writeFile(box.config, '{"tavily_api_key":"tvly-key"}', { mode: 0o600 })
    expect(load()).toEqual([box.config, box.file])
  })

  test('only secrets have one', async () => {
    await using box = await withFile('gpt-4o')
    expect(box.load({ env: { ALEX_MODEL_FILE: box.file } }).config.model).toBe('gpt-4o-mini')
  })
})

describe('the password of Redis', () => {
  test('joins a URL that has none, whatever is in it, and is masked', async () => {
    await using box = await withFile('p@ss/w%rd:1')
    const env = { REDIS_URL: 'redis://redis.example:6379/2', REDIS_PASSWORD_FILE: box.file }
    const loaded = box.load({ env })
    expect(loaded.config.redis_url).toBe('redis://:p%40ss%2Fw%25rd%3A1@redis.example:6379/2')
    expect(secretsOf(loaded.config)).toContain('p@ss/w%rd:1')
    expect(JSON.stringify(describeConfig(loaded))).not.toMatch(/p@ss|p%40ss/)
  })

  test('goes with the user that the URL names', async () => {
    await using box = await sandbox()
    const env = { REDIS_URL: 'rediss://alex@redis.example', REDIS_PASSWORD: 'hunter22' }
    expect(box.load({ env }).config.redis_url).toBe('rediss://alex:hunter22@redis.example')
  })

  test('that differs from the one in the URL stops the start; the same one twice does not', async () => {
    await using box = await sandbox()
    const env = { REDIS_URL: 'redis://:hunter22@redis.example' }
    expect(box.problems({ env: { ...env, REDIS_PASSWORD: 'other' } })).toEqual([
      'redis_url holds another password than redis_password: keep one',
    ])
    expect(box.problems({ env: { ...env, REDIS_PASSWORD: 'hunter22' } })).toEqual([])
  })

  test('is not for a socket, nor for the private Redis', async () => {
    await using box = await sandbox()
    const env = { REDIS_PASSWORD: 'hunter22' }
    expect(box.load({ env }).config.redis_url).toBeUndefined()
    expect(box.load({ env: { ...env, REDIS_URL: '/run/redis.sock' } }).config.redis_url).toBe(
      '/run/redis.sock',
    )
  })
})
