/** What a body is, by its Content-Type; a body without one is looked at. */
import { MIMEType } from 'node:util'

export type Content = { kind: 'html' | 'text'; charset: string | undefined } | { kind: 'other'; type: string }

const HTML = new Set(['text/html', 'application/xhtml+xml'])
const TEXT =
  /^(text\/.+|application\/(json|xml|javascript|ecmascript|yaml|x-yaml|toml|sql|graphql|x-ndjson|jsonl|x-sh|.+\+(json|xml|yaml)))$/

/** Null: the header is absent or says nothing. */
export const contentOf = (header: string | undefined): Content | null => {
  const type = parsed(header ?? '')
  if (type === null) return null
  const charset = type.params.get('charset') ?? undefined
  if (HTML.has(type.essence)) return { kind: 'html', charset }
  return TEXT.test(type.essence) ? { kind: 'text', charset } : { kind: 'other', type: type.essence }
}

/** By its first bytes, for want of a header. */
export const sniffed = (body: Buffer): Content => {
  const head = body.subarray(0, 1_024)
  if (head.includes(0)) return { kind: 'other', type: 'binary data' }
  const html = /^\s*(<!doctype html|<html|<head|<body)/i.test(head.toString('latin1'))
  return { kind: html ? 'html' : 'text', charset: undefined }
}

const parsed = (header: string): MIMEType | null => {
  try {
    return new MIMEType(header)
  } catch {
    return null
  }
}
