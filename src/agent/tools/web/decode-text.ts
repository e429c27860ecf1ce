/** Bytes of a page as text: byte order mark, then the header's charset, then what the page says of itself. */

const HEAD_BYTES = 2_048
const XML_ENCODING = /^\s*<\?xml[^>]*\bencoding\s*=\s*["']([\w.:-]+)/i
const META_CHARSET = /<meta\b[^>]*\bcharset\s*=\s*["']?\s*([\w.:-]+)/i

/** `charset`: of the Content-Type header. Never throws: what no decoder is known for is read as UTF-8. */
export const decodeText = (
  bytes: Buffer,
  { kind, charset }: { kind: 'html' | 'text'; charset: string | undefined },
): string => {
  const said = declaredIn(bytes.toString('latin1', 0, HEAD_BYTES), kind)
  const decoder = decoderFor(markOf(bytes)) ?? decoderFor(charset) ?? decoderFor(said)
  if (decoder) return decoder.decode(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // What browsers fall back to.
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

const markOf = (bytes: Buffer): string | undefined => {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : undefined
}

/** Read as ASCII, so it cannot be UTF-16 whatever it says. */
const declaredIn = (head: string, kind: 'html' | 'text'): string | undefined => {
  const [, xml] = XML_ENCODING.exec(head) ?? []
  const [, meta] = (kind === 'html' && META_CHARSET.exec(head)) || []
  const said = xml ?? meta
  return said !== undefined && /^utf-?16/i.test(said) ? 'utf-8' : said
}

const decoderFor = (label: string | undefined): InstanceType<typeof TextDecoder> | undefined => {
  try {
    return label === undefined ? undefined : new TextDecoder(label)
  } catch {
    return undefined
  }
}
