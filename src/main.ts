/**
 * Starts the whole of ALEX (serve.ts) with the compiled code of the last time.
 *
 *   node src/main.ts [--log-dir DIR] [--port 9000 … any setting]
 */
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// oxlint-disable-next-line node/no-process-env -- reading the configuration takes the modules that are to be cached
const home = process.env['ALEX_HOME'] || join(homedir(), '.alex')
if (existsSync(home)) enableCompileCache(join(home, 'cache'))
await import('./serve.ts')
