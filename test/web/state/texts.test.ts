import { expect, test } from 'vitest'
import { linePath, scaleOf } from '../../../src/web/state/chart.ts'
import { extended, NO_TEXT } from '../../../src/web/state/live-text.ts'
import { callTitle } from '../../../src/web/text/call-title.ts'
import { diffCounts, diffLines, isDiff } from '../../../src/web/text/diff.ts'
import { ago, cost, duration, tokens } from '../../../src/web/text/format.ts'
import { screenText } from '../../../src/web/text/terminal.ts'

test('pieces of a text join; what was missed shows as a gap, what comes twice does not show', () => {
  const half = extended(extended(NO_TEXT, 0, 'abc'), 3, 'def')
  expect(half).toEqual({ text: 'abcdef', end: 6 })
  expect(extended(half, 3, 'def')).toEqual(half)
  expect(extended(half, 4, 'efgh')).toEqual({ text: 'abcdefgh', end: 8 })
  expect(extended(half, 10, 'kl')).toEqual({ text: 'abcdef\n…\nkl', end: 12 })
  expect(extended(NO_TEXT, 10, 'kl')).toEqual({ text: '…\nkl', end: 12 })
})

test('a text that grows without end is kept from its end', () => {
  const { text, end } = extended(extended(NO_TEXT, 0, 'x'.repeat(60_000)), 60_000, 'yz')
  expect([text.length, text.at(0), text.slice(-2), end]).toEqual([60_001, '…', 'yz', 60_002])
})

test('output of a terminal reads as its screen did', () => {
  expect(screenText('\u001B[31mred\u001B[0m\r\n10%\r20%\r100%\ndone \u001B[2K')).toBe('red\n100%\ndone')
})

test('a unified diff has numbered lines', () => {
  const text = '--- a/x\n+++ b/x\n@@ -3,2 +3,3 @@\n same\n-old\n+new\n+more\n'
  expect(isDiff(text)).toBe(true)
  expect(isDiff('+ no diff\n- at all')).toBe(false)
  const lines = diffLines(text)
  expect(lines).toEqual([
    { kind: 'file', text: '--- a/x' },
    { kind: 'file', text: '+++ b/x' },
    { kind: 'hunk', text: '@@ -3,2 +3,3 @@' },
    { kind: 'same', text: 'same', before: 3, after: 3 },
    { kind: 'removed', text: 'old', before: 4 },
    { kind: 'added', text: 'new', after: 4 },
    { kind: 'added', text: 'more', after: 5 },
  ])
  expect(diffCounts(lines)).toEqual({ added: 2, removed: 1 })
})

test('a call is told by the argument that says most', () => {
  expect(callTitle({ timeout_s: 5, command: 'ls -l\nrm x' })).toBe('ls -l')
  expect(callTitle({ subtasks: ['a'] })).toBe('["a"]')
  expect(callTitle('{"broken')).toBe('{"broken')
  expect(callTitle({})).toBe('')
})

test.each([
  [duration(340), '340 ms'],
  [duration(59_960), '1 m 00 s'],
  [duration(125_000), '2 m 05 s'],
  [duration(3_720_000), '1 h 02 m'],
  [cost(0), '$0'],
  [cost(1.239), '$1.24'],
  [cost(0.000_234), '$0.00023'],
  [cost(1e-9), '<$0.0000001'],
  [tokens(999), '999'],
  [tokens(1234), '1.2k'],
  [tokens(45_600), '46k'],
  [tokens(1_500_000), '1.5M'],
  [ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:05:30Z')), '5 min ago'],
])('%s reads as %s', (shown, expected) => expect(shown).toBe(expected))

test('a chart is at least a minute wide and as high as its highest point', () => {
  const points = [
    { at: 30_000, value: 0 },
    { at: 60_000, value: 4 },
  ]
  expect(scaleOf(points)).toEqual({ from: 0, to: 60_000, highest: 4, firstX: 0.5 })
  expect(linePath(points, { ...scaleOf(points), width: 100, height: 10 })).toBe('M50,9L100,4')
  expect(scaleOf([])).toMatchObject({ highest: 0 })
})
