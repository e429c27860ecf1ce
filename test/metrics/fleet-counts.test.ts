import { expect, test } from 'vitest'
import { createGrowing, exposeCounts } from '../../src/metrics/fleet-counts.ts'

test('a Redis that lost its last writes makes no counter smaller, one that was emptied begins anew', () => {
  const growing = createGrowing()
  growing({ since: '1', 'created task': '10', started: '4' })
  expect(growing({ since: '1', 'created task': '8' })).toEqual({
    since: '1',
    'created task': '10',
    started: '4',
  })
  expect(growing({ since: '1', 'created task': '11', started: '4' })['created task']).toBe('11')
  expect(growing({ since: '2', 'created task': '1' })).toEqual({ since: '2', 'created task': '1' })
})

test('what the scripts count per bucket is told as Prometheus has it, in seconds and cumulative', () => {
  const text = exposeCounts({
    'duration failed le 50': '1',
    'duration failed le 2500': '2',
    'duration failed le +Inf': '1',
    'duration failed sum': '9000000',
  })
  const lines = text.split('\n').filter((line) => line.startsWith('alex_task_duration_seconds'))
  const of = (rest: string) => lines.find((line) => line.startsWith(`alex_task_duration_seconds_${rest}`))
  expect(of('bucket{status="failed",le="0.05"')).toMatch(/ 1$/)
  expect(of('bucket{status="failed",le="1"')).toMatch(/ 1$/)
  expect(of('bucket{status="failed",le="2.5"')).toMatch(/ 3$/)
  expect(of('bucket{status="failed",le="+Inf"')).toMatch(/ 4$/)
  expect(of('sum')).toBe('alex_task_duration_seconds_sum{status="failed"} 9000')
  expect(of('count')).toBe('alex_task_duration_seconds_count{status="failed"} 4')
})

test('counters are told at 0 before anything happened', () => {
  expect(exposeCounts({})).toContain('alex_workers_lost_total 0\n')
})
