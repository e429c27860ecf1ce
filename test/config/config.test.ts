import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { secretsOf, workspaceProblem } from '../../src/config.ts'
import { sandbox } from './sandbox.ts'

describe('defaults', () => {
  test('nothing has to be set', async () => {
    await using box = await sandbox()
    const { config, sources, warnings } = box.load()
    expect(config).toMatchObject({ port: 8080, host: '127.0.0.1', max_iterations: 10, max_tokens: 4096 })
    expect(config).toMatchObject({
      enable_mcp: true,
      api_tokens: [],
      retention_days: 7,
      redis_prefix: '{alex}',
    })
    expect(config.home).toBe(join(box.home, '.alex'))
    expect(config.session_dir).toBe(join(box.home, '.alex-sessions'))
    expect(config.mcp_config).toBe(join(box.home, '.alex/mcp-config.json'))
    expect(config.workspace_dir).toBe(box.cwd)
    expect(sources.port).toBe('default')
    expect(warnings).toEqual([])
  })

  test('ALEX_HOME moves everything below it, the session and cost folders too', async () => {
    await using box = await sandbox()
    const { config } = box.load({ env: { ALEX_HOME: '~/elsewhere' } })
    const home = join(box.home, 'elsewhere')
    expect(config).toMatchObject({ home, session_dir: join(home, 'sessions'), cost_dir: join(home, 'costs') })
    expect(config.mcp_config).toBe(join(home, 'mcp-config.json'))
  })

  test('a folder that is named stays where it was named, whatever ALEX_HOME is', async () => {
    await using box = await sandbox()
    const { config } = box.load({
      env: { ALEX_HOME: '/a', ALEX_SESSION_DIR: '~/mine', ALEX_COST_DIR: 'costs' },
    })
    expect(config).toMatchObject({ session_dir: join(box.home, 'mine'), cost_dir: join(box.cwd, 'costs') })
  })
})

describe('precedence', () => {
  const layers = ['file', 'dotenv', 'environment', 'arguments'] as const
  test.each(layers.map((_, i) => layers.slice(0, i + 1)))('of %s %s %s %s the last wins', async (...used) => {
    const has = (layer: (typeof layers)[number]) => used.includes(layer)
    await using box = await sandbox({
      ...(has('file') ? { home: { port: 1001 } } : {}),
      ...(has('dotenv') ? { dotenv: 'PORT=1002\n' } : {}),
    })
    const { config, sources } = box.load({
      env: has('environment') ? { PORT: '1003' } : {},
      argv: has('arguments') ? ['--port', '1004'] : [],
    })
    expect(config.port).toBe(1000 + used.filter(Boolean).length)
    expect(sources.port).not.toBe('default')
  })

  test('an empty string is not set, so what lies below it counts', async () => {
    await using box = await sandbox({ home: { api_key: '', model: 'file-model' } })
    const { config } = box.load({ env: { ALEX_MODEL: '', OPENAI_API_KEY: '' } })
    expect(config).toMatchObject({ model: 'file-model' })
    expect(config.api_key).toBeUndefined()
  })
})

describe('forms', () => {
  test.each(['dev', 'staging', 'prod', 'minimal', 'production'])(
    "the guide's %s file loads",
    async (name) => {
      const flags = { enable_mcp: true, enable_git_tools: true }
      const files: Record<string, object> = {
        dev: { enable_mcp: false, enable_git_tools: false, verbose: true, max_iterations: 5 },
        staging: { ...flags, verbose: true, max_iterations: 10 },
        prod: { ...flags, verbose: false, max_iterations: 10, max_tokens: 4096 },
        minimal: { api_key: '', enable_mcp: false, enable_git_tools: false },
        production: {
          ...flags,
          api_key: 'sk-your-openai-key',
          base_url: 'https://api.openai.com/v1',
          model: 'gpt-4',
          tavily_api_key: 'tvly-your-key',
          max_tokens: 4096,
          max_iterations: 10,
        },
      }
      await using box = await sandbox()
      const file = join(box.cwd, `${name}.json`)
      await writeFile(file, JSON.stringify(files[name]), { mode: 0o600 })
      const given = Object.entries(files[name] ?? {}).filter(([, value]) => value !== '')
      expect(box.load({ env: { ALEX_CONFIG: file } }).config).toMatchObject(Object.fromEntries(given))
    },
  )

  test.each([
    ['true', true],
    ['1', true],
    ['YES', true],
    ['on', true],
    ['false', false],
    ['0', false],
    ['no', false],
    ['Off', false],
  ])('%s is a boolean', async (word, expected) => {
    await using box = await sandbox()
    expect(box.load({ env: { ALEX_VERBOSE: word } }).config.verbose).toBe(expected)
  })

  test('lists are separated by commas, or are lists in a file', async () => {
    await using box = await sandbox({ home: { fallback_models: ['a', 'b'] } })
    const { config } = box.load({ env: { ALEX_ALLOWED_HOSTS: 'one.example, two.example,' } })
    expect(config).toMatchObject({
      fallback_models: ['a', 'b'],
      allowed_hosts: ['one.example', 'two.example'],
    })
  })

  test('every setting has an option, with its value beside it or after =; flags may stand alone', async () => {
    await using box = await sandbox()
    const argv = [
      '--worker-concurrency=3',
      '--retention-days',
      '0.5',
      '--verbose',
      '--no-enable-mcp',
      '--metrics-public',
      'yes',
    ]
    const { config } = box.load({ argv })
    expect(config).toMatchObject({ worker_concurrency: 3, retention_days: 0.5, verbose: true })
    expect(config).toMatchObject({ enable_mcp: false, metrics_public: true })
  })

  test('per-session is no folder', async () => {
    await using box = await sandbox()
    expect(box.load({ env: { ALEX_WORKSPACE_DIR: 'per-session' } }).config.workspace_dir).toBe('per-session')
  })
})

describe('problems', () => {
  test('all are named at once, each with where it came from', async () => {
    await using box = await sandbox({
      home: { max_iterations: 0, max_iteration: 4 },
      dotenv: 'ALEX_VERBOSE=maybe\n',
    })
    const found = box.problems({ env: { PORT: 'abc', HOST: '0.0.0.0' }, argv: ['--prot', '1', 'stray'] })
    expect(found).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /unknown key "max_iteration" in .*config\.json; did you mean "max_iterations"\?/,
        ),
        expect.stringMatching(/"max_iterations" in .* must be a whole number from 1 to 1000, not 0/),
        expect.stringMatching(/ALEX_VERBOSE in .*\.env must be true\/false.*not "maybe"/),
        expect.stringMatching(/PORT in the environment must be a whole number .* not "abc"/),
        expect.stringMatching(/HOST in the environment is 0\.0\.0\.0.*ALEX_API_TOKENS/),
        expect.stringMatching(/unknown option --prot .*--port/),
        expect.stringMatching(/unexpected argument "stray"/),
      ]),
    )
    expect(found).toHaveLength(7)
  })

  test.each([
    ['ALEX_MAX_TOKNES', 'ALEX_MAX_TOKENS'],
    ['ALEX_PORT', 'PORT'],
    ['ALEX_API_KEY', 'OPENAI_API_KEY'],
    ['ALEX_CONFG', 'ALEX_CONFIG'],
  ])('%s is taken for a misspelt %s', async (name, meant) => {
    await using box = await sandbox()
    expect(box.problems({ env: { [name]: '1' } })).toEqual([
      expect.stringContaining(`did you mean ${meant}?`),
    ])
  })

  test("another program's ALEX_ name is let be", async () => {
    await using box = await sandbox()
    expect(box.problems({ env: { ALEX_SOMETHING_ELSE_ENTIRELY: '1' } })).toEqual([])
  })

  test('broken JSON is named by its place, without what stands there', async () => {
    await using box = await sandbox({ home: '{"api_key": "sk-secretsecret" "model": 1}' })
    const [problem] = box.problems()
    expect(problem).toMatch(/config\.json is not valid JSON/)
    expect(problem).not.toContain('secret')
  })

  test('a bad secret is not shown', async () => {
    await using box = await sandbox()
    const [problem] = box.problems({ env: { REDIS_URL: 'http://user:hunter22@host' } })
    expect(problem).toMatch(/REDIS_URL in the environment must be/)
    expect(problem).not.toContain('hunter22')
  })

  test('a configuration file that was named has to exist', async () => {
    await using box = await sandbox()
    expect(box.problems({ argv: ['--config', 'nowhere.json'] })).toEqual([
      expect.stringContaining('does not exist'),
    ])
  })

  test('a prefix without a hash tag would break on a cluster', async () => {
    await using box = await sandbox()
    expect(box.problems({ env: { ALEX_REDIS_PREFIX: 'alex' } })).toHaveLength(1)
  })
})

describe('safety', () => {
  test.each(['0.0.0.0', '::', 'example.org'])('%s needs tokens or an explicit permission', async (HOST) => {
    await using box = await sandbox()
    expect(box.problems({ env: { HOST } })).toHaveLength(1)
    expect(box.problems({ env: { HOST, ALEX_API_TOKENS: 'a-token' } })).toEqual([])
    expect(box.problems({ env: { HOST, ALEX_ALLOW_ANONYMOUS: 'true' } })).toEqual([])
  })

  test.each(['localhost', '127.0.0.2', '::1'])('%s is loopback', async (HOST) => {
    await using box = await sandbox()
    expect(box.problems({ env: { HOST } })).toEqual([])
  })

  test('a file with a key that others can read gets a warning; one without none', async () => {
    await using box = await sandbox({ home: { api_key: 'sk-aaaaaaaaaaaaaaaaaaaa' } })
    await chmod(box.file, 0o644)
    expect(box.load().warnings).toEqual([expect.stringContaining(`chmod 600 ${box.file}`)])
    await writeFile(box.file, '{"model":"m"}')
    expect(box.load().warnings).toEqual([])
  })

  test('every secret is known for masking', async () => {
    await using box = await sandbox()
    const env = {
      OPENAI_API_KEY: 'key-1',
      TAVILY_API_KEY: 'key-2',
      ALEX_API_TOKENS: 'tok-1,tok-2',
      REDIS_URL: 'redis://u:p%40ss@h',
    }
    expect(secretsOf(box.load({ env }).config).toSorted()).toEqual([
      'key-1',
      'key-2',
      'p@ss',
      'tok-1',
      'tok-2',
    ])
  })

  test('the root folder is no workspace unless somebody names it', async () => {
    await using box = await sandbox()
    expect(workspaceProblem(box.load({ cwd: '/' }))).toContain('ALEX_WORKSPACE_DIR')
    expect(workspaceProblem(box.load({ cwd: '/', env: { ALEX_WORKSPACE_DIR: '/' } }))).toBeUndefined()
    expect(workspaceProblem(box.load())).toBeUndefined()
  })
})

describe('prices', () => {
  test('are named by model in the file', async () => {
    const prices = { 'my/model': { input: 0.5, output: 2, cached: 0.1 }, free: { input: 0, output: 0 } }
    await using box = await sandbox({ home: { prices } })
    expect(box.load().config.prices).toEqual(prices)
  })

  test.each([
    [{ prices: 'cheap' }, 'must be an object of models'],
    [{ prices: { m: { input: -1, output: 2 } } }, 'must be an object of models'],
    [{ prices: { m: { input: 1 } } }, 'must be an object of models'],
    [{ prices: { m: { input: 1, output: 2, outptu: 3 } } }, 'must be an object of models'],
  ])('that are wrong stop the start: %j', async (home, message) => {
    await using box = await sandbox({ home })
    expect(box.problems()).toEqual([expect.stringContaining(message)])
    expect(box.problems()[0]).toContain('"prices" in')
  })

  test('are in no environment', async () => {
    await using box = await sandbox()
    expect(box.problems({ env: { ALEX_PRICES: '{}' } })).toEqual([
      expect.stringContaining('did you mean "prices" in the configuration file?'),
    ])
  })
})
