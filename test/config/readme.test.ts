import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configTable } from '../../src/config/describe.ts'

test("the README's configuration table is the one the schema gives", async () => {
  const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8')
  expect(readme).toContain(configTable().trim())
})
