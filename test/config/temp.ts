import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is gone after the test: `await using folder = await tempFolder()`. */
export const tempFolder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'alex-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
