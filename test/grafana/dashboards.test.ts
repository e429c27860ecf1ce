import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { dashboards } from '../../grafana/source/boards.ts'
import {
  API_METRICS,
  FLEET_COUNTERS,
  FLEET_GAUGES,
  FLEET_HISTOGRAMS,
  PROCESS_METRICS,
  WORKER_METRICS,
} from '../../src/metrics/table.ts'
import { makeFolder } from '../support/keep.ts'
import { GRAFANA, panelsOf, ROOT } from './panels.ts'

const run = promisify(execFile)
const made = dashboards()

test('the committed dashboards are those that `npm run dashboards` writes', async () => {
  const folder = join(GRAFANA, 'dashboards')
  const committed = await Promise.all(
    (await readdir(folder)).map(async (name) => [name, await readFile(join(folder, name), 'utf8')]),
  )
  expect(Object.fromEntries(committed)).toEqual(made)
})

test('every panel asks a question and says what the answer means, in which unit, from the chosen Prometheus', () => {
  for (const json of Object.values(made)) {
    const panels = panelsOf(json)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
    expect(panels.filter(({ title }) => !/^[A-Z].*\?$/.test(title))).toEqual([])
    expect(panels.filter(({ description }) => description.length < 20)).toEqual([])
    expect(panels.filter(({ fieldConfig }) => !fieldConfig.defaults.unit)).toEqual([])
    const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(queries.filter((query) => !/job=~?"\$job/.test(query))).toEqual([])
  }
})

test("Grafana's schema has every field and value of the dashboards, and would not have others", async () => {
  const folder = await makeFolder()
  const check = (name: string, json: string) =>
    writeFile(
      join(folder, `${name}.mts`),
      `import type { DashboardJson } from '${relative(folder, join(import.meta.dirname, 'schema.ts'))}'\nexport const it: DashboardJson = ${json}`,
    )
  for (const [name, json] of Object.entries(made)) await check(name, json)
  const [one = ''] = Object.values(made)
  const spoilt = {
    'unknown-field': one.replace('"graphTooltip"', '"graphTooltips"'),
    'unknown-option': one.replace('"wideLayout": true', '"wideLayout": true, "wide": true'),
    'unknown-value': one.replace('"graphMode": "area"', '"graphMode": "areas"'),
    'unknown-kind': one.replace('"type": "stat"', '"type": "stats"'),
  }
  for (const [name, json] of Object.entries(spoilt)) await check(name, json)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { types: [] },
      include: ['*.mts'],
    }),
  )
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const { stdout } = await run(tsc, ['-p', folder, '--pretty', 'false']).catch(
    (error: { stdout: string }) => error,
  )
  const refused = new Set([...stdout.matchAll(/^(?:.*\/)?([\w.-]+)\.mts\(/gm)].map(([, name]) => name))
  expect(refused).toEqual(new Set(Object.keys(spoilt)))
})

test('dashboards and alerts ask for metrics that there are, and for all of them', async () => {
  const tables = [
    API_METRICS,
    FLEET_COUNTERS,
    FLEET_GAUGES,
    FLEET_HISTOGRAMS,
    PROCESS_METRICS,
    WORKER_METRICS,
  ]
  const known = new Set(tables.flatMap((table) => Object.values(table)).map(({ name }): string => name))
  const alerts = await readFile(join(GRAFANA, 'alerts.yml'), 'utf8')
  const asked = new Set(
    [
      ...[
        ...Object.values(made)
          .flatMap(panelsOf)
          .flatMap(({ targets }) => targets.map(({ expr }) => expr)),
        alerts,
      ]
        .join('\n')
        .matchAll(/\balex_\w+/g),
    ].map(([name]) => name.replace(/_bucket$/, '')),
  )
  const ofNode = (name: string) => /^alex_(process|nodejs)_/.test(name)
  expect([...asked].filter((name) => !known.has(name) && !ofNode(name))).toEqual([])
  expect([...known].filter((name) => !asked.has(name))).toEqual([])
})
