/** Writes the dashboards: `npm run dashboards`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dashboards } from './source/boards.ts'

for (const [name, json] of Object.entries(dashboards()))
  writeFileSync(join(import.meta.dirname, 'dashboards', name), json)
