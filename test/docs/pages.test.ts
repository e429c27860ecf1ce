import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { filled, pages, readPage, regionsOf } from '../../docs/pages.ts'
import { tables } from '../../docs/tables.ts'
import { sandbox } from '../config/sandbox.ts'
import { anchorsOf, blocksOf, documentation, linksOf, ROOT, readMarkdown } from './markdown.ts'

test('every table that the code gives stands in a page, as `npm run docs` writes it', async () => {
  const content = await tables()
  const seen: string[] = []
  const outOfDate: string[] = []
  for (const page of await pages()) {
    const text = await readPage(page)
    if (filled(text, content) !== text) outOfDate.push(page)
    seen.push(...regionsOf(text))
  }
  expect(outOfDate).toEqual([])
  expect(seen.toSorted()).toEqual(Object.keys(content).toSorted())
})

test('every link leads to a file or heading that is there', async () => {
  const broken: string[] = []
  for (const page of [...(await documentation()), 'deploy/README.md', 'CHANGELOG.md']) {
    for (const link of linksOf(await readMarkdown(page))) {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path))
      const there =
        existsSync(join(ROOT, target)) &&
        (anchor === undefined || anchorsOf(await readMarkdown(target)).includes(anchor))
      if (!there) broken.push(`${page}: ${link}`)
    }
  }
  expect(broken).toEqual([])
})

test('every page is found from the index', async () => {
  const linked = linksOf(await readPage('README.md')).map((link) => link.split('#')[0])
  expect((await pages()).filter((page) => page !== 'README.md' && !linked.includes(page))).toEqual([])
})

test("the pages that the operators' guide links to are where it looks for them", async () => {
  const from = join(ROOT, 'docs/operations')
  for (const link of [
    '../reference/OBSERVABILITY.md',
    '../analysis/base_flow_architecture_review.md',
    '../reference/PRESET_QUICK_REFERENCE.md',
    'DEPLOYMENT.md',
  ])
    expect(await readdir(dirname(join(from, link)))).toContain(link.split('/').at(-1))
})

test('JSON examples are JSON, and those of the configuration are accepted at a start', async () => {
  await using home = await sandbox()
  const file = join(home.cwd, 'example.json')
  for (const page of await documentation()) {
    const examples = blocksOf(await readMarkdown(page)).filter(({ language }) => language === 'json')
    for (const { text } of examples) {
      expect(() => JSON.parse(text)).not.toThrow()
      if (page !== 'docs/configuration.md') continue
      await writeFile(file, text)
      expect(home.problems({ env: { ALEX_CONFIG: file } })).toEqual([])
    }
  }
})

test('a block is of a language that these tests know', async () => {
  const languages = await Promise.all(
    (await documentation()).map(async (page) =>
      blocksOf(await readMarkdown(page)).map(({ language }) => language),
    ),
  )
  expect([...new Set(languages.flat())].toSorted()).toEqual(['', 'bash', 'console', 'js', 'json'])
})

test('README stays short', async () => {
  expect((await readMarkdown('README.md')).length).toBeLessThan(10_000)
})
