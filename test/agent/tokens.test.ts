import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encode as encodeCl100k } from 'gpt-tokenizer/encoding/cl100k_base'
import { encode as encodeO200k } from 'gpt-tokenizer/encoding/o200k_base'
import { expect, test } from 'vitest'
import { createWindowOf } from '../../src/agent/context-window.ts'
import { createCalibration, createEstimator, estimateText } from '../../src/agent/tokens.ts'

const root = join(import.meta.dirname, '../..')
const file = async (name: string) => (await readFile(join(root, name), 'utf8')).slice(0, 30_000)
const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n')

test('what tasks are made of is estimated at no less than it is, and at not much more', async () => {
  const texts = {
    prose: await file('README.md'),
    code: await file('src/agent/run-agent.ts'),
    lua: await file('src/tasks/lua/list.lua'),
    json: await file('package-lock.json'),
    listing: lines(300, (i) => `drwxr-xr-x  2 root root ${i * 37} Nov 24 23:02 src/agent/file-${i}.ts`),
    log: lines(300, (i) => `2026-11-24T22:58:${i % 60}.123Z INFO request finished in ${i} ms status=200`),
    csv: lines(300, (i) => `${i},${(i * 7919) % 1000}.${i % 97},ok`),
    hex: randomBytes(9_000).toString('hex'),
    german: 'Die Zusammenfassung der älteren Ausgaben dürfte größtenteils übersichtlich bleiben. '.repeat(90),
  }
  const ratios = Object.entries(texts).flatMap(([name, text]) =>
    [encodeCl100k, encodeO200k].map((encode) => ({ name, ratio: estimateText(text) / encode(text).length })),
  )
  expect(ratios.filter(({ ratio }) => ratio < 0.95 || ratio > 1.7)).toEqual([])
})

test('what no words are made of is estimated within a fifth, and other scripts never too low', () => {
  const texts = [
    randomBytes(9_000).toString('base64'),
    'Сжатие контекста происходит, когда число токенов превышает предел окна модели. '.repeat(50),
    '当上下文超过窗口限制时,系统会压缩较旧的工具输出。'.repeat(80),
    'يتم ضغط السياق عندما يتجاوز عدد الرموز حد نافذة النموذج. '.repeat(50),
    '😀🎉🚀👍🏽🧑‍💻'.repeat(200),
    '='.repeat(5_000),
    ' '.repeat(5_000),
    'x'.repeat(5_000),
  ]
  const tooLow = texts.filter((text) => estimateText(text) < 0.8 * encodeCl100k(text).length)
  expect(tooLow).toEqual([])
})

test('a megabyte is measured in well under a second, and the second time at once', () => {
  const content = 'Some words, and a number 12345.\n'.repeat(130_000)
  const estimate = createEstimator()
  const began = performance.now()
  const first = estimate.messages([{ role: 'user', content }])
  const between = performance.now()
  expect(estimate.messages([{ role: 'user', content }])).toBe(first)
  expect(performance.now() - between).toBeLessThan((between - began) / 2)
})

test('the ratio of a model moves towards what its provider counts, and others are not touched', () => {
  const calibration = createCalibration()
  expect(calibration.ratio('a')).toBe(1)
  calibration.observe('a', 150, 100)
  expect(calibration.ratio('a')).toBe(1.5)
  for (let i = 0; i < 20; i += 1) calibration.observe('a', 110, 100)
  expect(calibration.ratio('a')).toBeCloseTo(1.1, 2)
  // Counts that cannot be true.
  calibration.observe('b', 0, 100)
  expect(calibration.ratio('b')).toBe(1)
  calibration.observe('b', 1, 100)
  expect(calibration.ratio('b')).toBe(0.7)
})

test("a model's window is the configured one, else what the price list knows, else 128000", async () => {
  expect(await createWindowOf({ configured: 5_000 })('gpt-4')).toBe(5_000)
  const windowOf = createWindowOf({})
  expect(await windowOf('gpt-4')).toBe(8_192)
  expect(await windowOf('gpt-4o-mini')).toBe(128_000)
  expect(await windowOf('claude-sonnet-4-20250514')).toBe(200_000)
  expect(await windowOf('nobody-knows-me')).toBe(128_000)
  expect(await createWindowOf({ baseUrl: 'http://127.0.0.1:9/v1' })('openai/gpt-4')).toBe(8_192)
  expect(await createWindowOf({ baseUrl: 'https://openrouter.ai/api/v1' })('openai/gpt-4o')).toBe(128_000)
})
