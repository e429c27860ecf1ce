import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { GRAFANA } from './panels.ts'

const run = promisify(execFile)
const UNITS = join(import.meta.dirname, 'alerts.test.yml')

test('Prometheus takes its configuration and the alert rules', async () => {
  const { stdout } = await run('promtool', ['check', 'config', join(GRAFANA, 'prometheus.yml')])
  expect(stdout).toContain('SUCCESS: 1 rule files found')
})

test('every alert fires when it should, and only then', async () => {
  const { stdout } = await run('promtool', ['test', 'rules', UNITS])
  expect(stdout).toContain('SUCCESS')
})

test('every alert says how bad it is, what is wrong, what it means and what to do, and has a unit test', async () => {
  const [rules = '', units = ''] = await Promise.all(
    [join(GRAFANA, 'alerts.yml'), UNITS].map((path) => readFile(path, 'utf8')),
  )
  const [, ...alerts] = rules.split(/^ {6}- alert: /m)
  expect(alerts.length).toBeGreaterThan(10)
  const name = (alert: string) => alert.split('\n')[0]
  const severity = /^ {8}labels: \{ severity: (critical|warning) \}$/m
  expect(alerts.filter((alert) => !severity.test(alert)).map(name)).toEqual([])
  for (const annotation of ['summary', 'description', 'runbook', 'dashboard']) {
    const told = new RegExp(`^ {10}${annotation}: \\S`, 'm')
    expect(alerts.filter((alert) => !told.test(alert)).map(name)).toEqual([])
  }
  expect(alerts.map(name).filter((each) => !units.includes(`alertname="${each}"`))).toEqual([])
})
