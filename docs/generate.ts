/** Writes the generated tables into the pages: `npm run docs`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DOCS, filled, pages, readPage } from './pages.ts'
import { tables } from './tables.ts'

const content = await tables()
for (const page of await pages()) await writeFile(join(DOCS, page), filled(await readPage(page), content))
