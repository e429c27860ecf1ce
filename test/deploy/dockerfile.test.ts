import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ignore from 'ignore'
import { expect, test } from 'vitest'
import { environmentOf, last, ROOT, readStages } from './dockerfile.ts'

const stages = readStages()
const image = stages.at(-1)

test('the image runs node itself under an init that reaps orphans and hands signals on', () => {
  expect(last(image, 'ENTRYPOINT')).toMatchObject({ exec: true, words: ['tini', '--'] })
  expect(last(image, 'CMD')).toMatchObject({ exec: true, words: ['node', 'src/main.ts'] })
})

test('it does not run as root, and what it may write is its own', () => {
  expect(last(image, 'USER')?.words).toEqual(['node'])
  const made = image?.steps.find(({ text }) => text.startsWith('mkdir'))?.text ?? ''
  const env = environmentOf(image)
  const volumes = last(image, 'VOLUME')?.words
  expect(volumes).toEqual([env['ALEX_HOME'], env['ALEX_WORKSPACE_DIR']])
  for (const folder of volumes ?? []) expect(made).toMatch(new RegExp(`chown -R node:node.* ${folder}\\b`))
})

test('the tools of tasks are inside', () => {
  const packages = image?.steps.find(({ text }) => text.startsWith('apt-get'))?.words
  for (const name of ['git', 'ripgrep', 'bubblewrap', 'jq', 'curl', 'tini']) expect(packages).toContain(name)
})

test('packages are installed in a stage of their own, without those of development', () => {
  expect(stages).toHaveLength(3)
  expect(last(stages[0], 'RUN')?.text).toMatch(/^npm install --omit=dev --ignore-scripts\b/)
  expect(image?.steps.filter(({ text }) => text.includes('npm'))).toEqual([])
})

test('whatever is copied exists and is let through by .dockerignore; .env is not', () => {
  const ignored = ignore().add(readFileSync(join(ROOT, '.dockerignore'), 'utf8'))
  const sources = stages.flatMap(({ steps }) =>
    steps.filter(({ keyword, from }) => keyword === 'COPY' && from === undefined),
  )
  const names = sources.flatMap(({ words }) => words.slice(0, -1))
  expect(names).toContain('workers')
  expect(names.filter((name) => ignored.ignores(name) || !existsSync(join(ROOT, name)))).toEqual([])
  expect(['.env', '.git', 'node_modules', 'test'].filter((name) => !ignored.ignores(name))).toEqual([])
})

test('health is asked where the service listens', () => {
  expect(last(image, 'HEALTHCHECK')?.text).toMatch(/curl -f.*localhost:\$\{PORT\}\/health/)
  expect(environmentOf(image)).toMatchObject({ PORT: last(image, 'EXPOSE')?.text, NODE_ENV: 'production' })
})
