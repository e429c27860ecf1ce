import { expect, test } from 'vitest'
import { createLog } from '../src/log.ts'
import { createRedactor } from '../src/redact.ts'

const SECRET = 'a"secret\\password'

const logTo = async (format: 'json' | 'pretty', verbose = false) => {
  const lines: string[] = []
  const sink = { write: (text: string) => void lines.push(text) }
  const log = await createLog({ verbose, format, redact: createRedactor([SECRET]), sink })
  return { log, text: () => lines.join('') }
}

test.for(['json', 'pretty'] as const)(
  'no secret gets into a line, wherever it stands (%s)',
  async (format) => {
    const { log, text } = await logTo(format)
    log.info({ nested: { deep: [`Bearer ${SECRET}`] }, [SECRET]: 1 }, `with ${SECRET} in it`)
    log.child({ url: `redis://:${encodeURIComponent(SECRET)}@host` }).warn({}, 'from a child')
    log.error({ err: new Error(`refused ${SECRET}`) }, 'failed')
    log.info({ output: 'key sk-Q1w2e3r4t5y6u7i8o9p0 of somebody else' }, 'a shape')
    expect(text()).toContain('[redacted]')
    expect(text()).not.toMatch(/secret|password|sk-Q1/)
    expect(text().match(/\[redacted\]/g)?.length).toBeGreaterThanOrEqual(6)
  },
)

test('a line is one JSON object, with the fields of what it belongs to', async () => {
  const { log, text } = await logTo('json')
  log.child({ task_id: 'task-1' }).warn({ attempt: 2 }, '[ServerCoordinator] again')
  expect(JSON.parse(text())).toEqual({
    level: 40,
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    task_id: 'task-1',
    attempt: 2,
    msg: '[ServerCoordinator] again',
  })
})

test('on a terminal a line begins with time, level and message, its fields after it', async () => {
  const { log, text } = await logTo('pretty')
  log.info({ task_id: 'task-1', attempt: 2 }, '[ServerCoordinator] task started')
  expect(text()).toMatch(
    /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: \[ServerCoordinator\] task started \{"task_id":"task-1","attempt":2\}\n$/,
  )
})

test('debug lines are for those who ask', async () => {
  const quiet = await logTo('json')
  quiet.log.debug({}, 'detail')
  const verbose = await logTo('json', true)
  verbose.log.debug({}, 'detail')
  expect([quiet.text(), verbose.text()]).toEqual(['', expect.stringContaining('detail')])
})
