import { rm } from 'node:fs/promises'
import type { Guard } from './guard.ts'

/** Removes what a sandboxed call should not have made, when disposed; the guard does it should the worker die. */
export const removedAfter = (guard: Pick<Guard, 'temporary'>, paths: readonly string[]): AsyncDisposable => {
  const watched = paths.map((path) => guard.temporary(path))
  return {
    async [Symbol.asyncDispose]() {
      for (const path of paths) await rm(path, { force: true, recursive: true })
      for (const each of watched) each[Symbol.dispose]()
    },
  }
}
