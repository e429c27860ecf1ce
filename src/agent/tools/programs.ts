/** Finds programs the way a shell does. */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

/** Path of the first of `names` that lies in a folder of `path` (the variable PATH) and may be executed. */
export const findProgram = async (
  path: string | undefined,
  names: readonly string[],
): Promise<string | undefined> => {
  // A relative folder would be one of the workspace.
  const folders = (path ?? '').split(delimiter).filter(isAbsolute)
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, name)
      if (await isExecutable(file)) return file
    }
  }
  return undefined
}

const isExecutable = async (file: string): Promise<boolean> => {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}
