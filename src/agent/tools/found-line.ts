/**
 * Whether what ripgrep printed is the workspace's own.
 *
 * ripgrep opens by path, so a folder that is swapped for a symlink while it searches leads it out. Each line is
 * shown only if the file of that name, opened and judged like any other, holds it.
 */
import { open } from 'node:fs/promises'
import { type Jail, MAX_FILE_BYTES } from './workspace-path.ts'

export interface FoundLine {
  /** Relative to the workspace. */
  path: string
  /** From 1. */
  number: number
  text: string
}

/** ripgrep cuts longer lines and says so. */
export const SHOWN_BYTES = 400

/** Keeps the file it looked at last: lines come sorted by path. */
export const createLineCheck = (jail: Jail) => {
  let file: { path: string; lines: readonly string[] } | undefined
  return async ({ path, number, text }: FoundLine): Promise<boolean> => {
    if (file?.path !== path) file = { path, lines: await linesOf(jail, path).catch(() => []) }
    const line = file.lines[number - 1]
    return line !== undefined && isShownAs(line, text)
  }
}

const linesOf = async (jail: Jail, path: string): Promise<string[]> => {
  await using anchor = await jail.open(path)
  if (!anchor.stats.isFile() || anchor.stats.size > MAX_FILE_BYTES) return []
  await using handle = await open(anchor.via)
  return decoded(await handle.readFile()).split('\n')
}

/** As ripgrep does it; a byte order mark is no part of the text. */
const decoded = (content: Buffer): string => {
  const [first, second] = content
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(content)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(content)
  return new TextDecoder().decode(content)
}

const CUT = / \[\.\.\. (?:omitted end of long line|\d+ more match(?:es)?)\]$/

const isShownAs = (line: string, text: string): boolean => {
  if (plain(line) === plain(text)) return true
  const cut = CUT.exec(text)
  return (
    cut !== null &&
    Buffer.byteLength(line) > SHOWN_BYTES &&
    plain(line).startsWith(plain(text.slice(0, cut.index)))
  )
}

/** What is no UTF-8 may have been replaced differently, depending on where a chunk ended. */
const plain = (text: string): string => text.replaceAll('\u{FFFD}', '')
