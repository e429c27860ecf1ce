/** The built web console in memory: a few small files, so that no request names a path on disk. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'

export interface ConsoleFile {
  type: string
  etag: string
  /** By content coding; `identity` is always there. */
  bodies: { identity: Buffer<ArrayBuffer>; br?: Buffer<ArrayBuffer>; gzip?: Buffer<ArrayBuffer> }
}

/** By path below the root, as in `/assets/index-1a2b.js`. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** What was built there last, also after this process began; null before anything was. */
export const openConsole = (folder: string): (() => ConsoleFiles | null) => {
  let read: { builtAt: number; files: ConsoleFiles } | null = null
  return () => {
    // A new build takes the place of the old one: for a moment there is none.
    const builtAt = statSync(join(folder, 'index.html'), { throwIfNoEntry: false })?.mtimeMs
    if (builtAt !== undefined && builtAt !== read?.builtAt) read = { builtAt, files: readFiles(folder) }
    return read?.files ?? null
  }
}

const readFiles = (folder: string): ConsoleFiles => {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const known = new Set(names)
  const files = names.flatMap((name): [string, ConsoleFile][] => {
    const type = TYPES[extname(name)]
    return type === undefined ? [] : [[`/${name}`, fileOf(folder, name, { type, known })]]
  })
  return new Map(files)
}

const fileOf = (
  folder: string,
  name: string,
  { type, known }: { type: string; known: ReadonlySet<string> },
): ConsoleFile => {
  const identity = readFileSync(join(folder, name))
  const hash = createHash('sha256').update(identity).digest('base64url').slice(0, 22)
  return {
    type,
    etag: `"${hash}"`,
    bodies: {
      identity,
      ...(known.has(`${name}.br`) && { br: readFileSync(join(folder, `${name}.br`)) }),
      ...(known.has(`${name}.gz`) && { gzip: readFileSync(join(folder, `${name}.gz`)) }),
    },
  }
}
