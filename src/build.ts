/** `npm run build`, after the compiler: what the programs read beside their code, and what their package is. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'

const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')

for (const folder of ['src/tasks/lua', 'src/agent/prompts'])
  await cp(join(root, folder), join(dist, folder), {
    recursive: true,
    filter: (path) => !path.endsWith('.ts'),
  })

const Package = z.object({ name: z.string(), version: z.string(), type: z.string() })
const own = Package.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')))
await writeFile(join(dist, 'package.json'), `${JSON.stringify(own, null, 2)}\n`)
