import { describe, expect, test } from 'vitest'
import { createRedactor } from '../../src/redact.ts'

const redact = createRedactor(['hunter22', 'a"b\\c/d e', 'short'])

test('a configured secret is masked as it stands, in JSON and in a URL', () => {
  expect(redact('x hunter22 y')).toBe('x [redacted] y')
  expect(redact(JSON.stringify({ key: 'a"b\\c/d e' }))).toBe('{"key":"[redacted]"}')
  expect(redact(`?key=${encodeURIComponent('a"b\\c/d e')}`)).toBe('?key=[redacted]')
})

test('what is shorter than six characters is a word', () => {
  expect(redact('a short text')).toBe('a short text')
})

test('of two secrets of which one begins the other nothing is left', () => {
  expect(createRedactor(['secret', 'secret-tail'])('secret-tail secret')).toBe('[redacted] [redacted]')
})

describe('well-known shapes', () => {
  const tail = 'Ab3'.repeat(12)
  test.each([
    `sk-${tail}`,
    `sk-proj-${tail}_x-y`,
    'sk-abcdefghijklmnopqrstuvwx',
    `tvly-dev-${tail}`,
    `ghp_${tail}`,
    `github_pat_${tail}_${tail}`,
    `AKIA${'ABCD1234'.repeat(2)}`,
    'xoxb-123456789012-abcdef',
    'xoxp-123456789012-abcdef',
    `-----BEGIN RSA PRIVATE KEY-----\n${tail}\n${tail}==\n-----END RSA PRIVATE KEY-----`,
    `-----BEGIN PRIVATE KEY-----\\n${tail}\\n-----END PRIVATE KEY-----`,
  ])('%s', (secret) => {
    expect(redact(`before ${secret} after`)).toBe('before [redacted] after')
  })

  test('a bearer token and a password in a URL leave what stands around them', () => {
    expect(redact('Authorization: Bearer abc123.def-456')).toBe('Authorization: Bearer [redacted]')
    expect(redact('postgres://me:pa55@db:5432/x')).toBe('postgres://me:[redacted]@db:5432/x')
  })
})

test.each([
  '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  'task-3f2c8a1e-1111-4222-8333-abcdefabcdef',
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk',
  'sk-folding-cube-wrapper',
  'risk-assessment-of-the-whole-0123456789',
  'a bearer authentication scheme',
  'http://localhost:8080/a@b and git@github.com:owner/name.git',
  'a line that mentions -----BEGIN PRIVATE KEY----- only',
])('ordinary text stays: %s', (text) => {
  expect(redact(text)).toBe(text)
})

test.each([
  ['sk-'],
  ['-sk-a'],
  ['://a:'],
  ['-----BEGIN PRIVATE KEY-----'],
  ['Bearer aaaaaaa-'],
  ['A1b2C3d4'],
  ['a-'],
  ['://'],
])('time grows with the text alone, also for %s over and over', (part) => {
  const time = (length: number) => {
    const text = part.repeat(length / part.length)
    const began = performance.now()
    redact(text)
    return performance.now() - began
  }
  time(100_000)
  // Quadratic work would take minutes here.
  expect(time(1_000_000)).toBeLessThan(1_500)
})
