import { describe, expect, test } from 'vitest'
import { check, formatViolations } from './check.ts'
import { exampleHistory } from './check-example.ts'
import { mirror } from './check-mirror.ts'
import { harmless, planted } from './check-plants.ts'
import type { History } from './history.ts'

const example = exampleHistory()

const broken = (plant: (history: History) => void): History => {
  const history = structuredClone(example)
  plant(history)
  return history
}
const sorted = (rules: Iterable<string>) => [...rules].toSorted((a, b) => (a < b ? -1 : 1))
const rulesBroken = (history: History) => sorted(new Set(check(history).map(({ rule }) => rule)))

describe('the checker of a chaos run', () => {
  test('finds nothing wrong with a run in which a worker was lost and the service kept its word', () => {
    expect(check(example)).toEqual([])
    expect(Object.values(example.logs).flat().length).toBeGreaterThan(50)
    expect(example.readers.every(({ events }) => events.length > 0)).toBe(true)
  })

  test.for(harmless)('allows that $title', ({ plant }) => {
    expect(check(broken(plant))).toEqual([])
  })

  test.for(planted)('$rule: notices that $title', ({ plant, rule, also = [] }) => {
    expect(rulesBroken(broken(plant))).toEqual(sorted([rule, ...also]))
  })

  test('has at least two planted violations for every rule', () => {
    const perRule = Map.groupBy(planted, ({ rule }) => rule)
    expect(perRule.size).toBe(16)
    expect([...perRule].filter(([, plants]) => plants.length < 2)).toEqual([])
  })

  test('reports seed, task, and all that is known about the task in order of time', () => {
    const history = broken((it) => {
      const effect = it.effects.find(({ token }) => token.startsWith('crashed.0.0'))
      if (effect) it.effects.push({ ...effect, at: effect.at + 5 })
    })
    const report = formatViolations(history, check(history))
    expect(report).toContain('seed 4711')
    expect(report).toContain('[effects_once] crashed.0.0.')
    const parts = [
      'task task-crashed, session s1',
      'client  submits crashed with key key-crashed',
      'task_queued',
      'client  is answered 200',
      'task_started {"worker":"worker-1"',
      'model   w1.0 asks for turn 0',
      'tool_call_start',
      'effect  ledger crashed.0.0.',
      'effect  ledger crashed.0.0.',
      'FAULT   kill_worker w1.0',
      'task_resumed {"worker":"worker-2"',
      '"interrupted":true',
      'effect  http crashed.1.0.',
      'task_complete',
    ]
    let place = 0
    for (const part of parts) {
      const found = report.indexOf(part, place)
      expect(found, `${part} after character ${place} of:\n${report}`).toBeGreaterThanOrEqual(0)
      place = found + part.length
    }
    expect(report).not.toContain('task-plain')
  })

  test('reports the cancels of a task, and what was left of the whole run', () => {
    const history = broken((it) => {
      it.cancels.push({
        task_id: 'task-late',
        sentAt: it.startedAt,
        answeredAt: it.startedAt + 1,
        status: 200,
      })
      it.leftovers.children.push({ pid: 17, command: 'sleep 100' })
    })
    const report = formatViolations(history, check(history))
    expect(report).toContain('client  asks to cancel')
    expect(report).toContain('client  cancel is answered 409')
    expect(report).toContain('left at the end: 1 children\n    {"pid":17,"command":"sleep 100"}')
  })

  test('stays readable when everything broke', () => {
    const history = broken((it) => {
      const log = it.logs['s1'] ?? []
      const [queued] = log
      if (queued)
        for (let i = 0; i < 50; i += 1) log.push({ ...queued, id: `${2e12 + i}-0`, task: `task-${i}` })
      mirror(it)
    })
    const report = formatViolations(history, check(history))
    expect(report).toMatch(/… and \d+ more tasks and sessions$/)
  })
})
