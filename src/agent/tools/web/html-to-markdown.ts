/** Readable text of an HTML page as Markdown. Slow on purpose-built pages: only `readable-process.ts` calls it. */
import { gfm } from '@joplin/turndown-plugin-gfm'
import { Readability } from '@mozilla/readability'
import { parseHTML } from 'linkedom'
import TurndownService from 'turndown'
import { clipped } from './clipped.ts'

export interface ReadableInput {
  html: string
  /** Links are resolved against it. */
  url: string
}

export interface ReadablePage {
  title: string
  /** At most as long as `clipped` leaves it. */
  markdown: string
}

type Document = ReturnType<typeof parseHTML>['document']

/** Beyond it finding the article takes too long. */
const MAX_ELEMENTS = 50_000
/** An article that is a smaller part of the page's text was found in the wrong place, or is none. */
const MIN_SHARE = 0.2
const NO_TEXT =
  'script, style, noscript, template, svg, canvas, iframe, object, embed, dialog, [hidden], body title'
/** Many pages leave out what HTML lets them leave out; the parser needs at least a body. */
const BODY = /<body[\s>]/i
const OUTER_TAGS = /<(!doctype|\/?html|\/?head)\b[^>]*>/gi

export const readablePage = ({ html, url }: ReadableInput): ReadablePage => {
  const whole = BODY.test(html) ? html : `<html><body>${html.replaceAll(OUTER_TAGS, '')}</body></html>`
  const { document } = parseHTML(whole)
  const title = document.querySelector('title')?.textContent ?? ''
  makeLinksAbsolute(document, url)
  describeImages(document)
  for (const element of document.querySelectorAll(NO_TEXT)) element.remove()
  const body = document.body?.innerHTML ?? ''
  const bodyLength = lengthOf(document.body?.textContent)
  const article = articleOf(document)
  const enough = article !== null && lengthOf(article.textContent) >= bodyLength * MIN_SHARE
  return {
    title: (article?.title || title).replaceAll(/\s+/g, ' ').trim().slice(0, 300),
    markdown: toMarkdown(enough ? (article.content ?? '') : body),
  }
}

const makeLinksAbsolute = (document: Document, url: string): void => {
  const given = document.querySelector('base[href]')?.getAttribute('href') ?? ''
  const base = URL.canParse(given, url) ? new URL(given, url).href : url
  for (const element of document.querySelectorAll('a[href]')) {
    const value = element.getAttribute('href') ?? ''
    const link = URL.canParse(value, base) ? new URL(value, base) : null
    if (link?.protocol === 'http:' || link?.protocol === 'https:') element.setAttribute('href', link.href)
    else element.removeAttribute('href')
  }
}

/** To a reader of text a picture is its description. */
const describeImages = (document: Document): void => {
  for (const image of document.querySelectorAll('img')) {
    const alt = (image.getAttribute('alt') ?? '').replaceAll(/\s+/g, ' ').trim()
    image.replaceWith(document.createTextNode(alt === '' ? '' : `(image: ${alt})`))
  }
}

/** Changes the document. */
const articleOf = (document: Document) => {
  try {
    return new Readability(document, { keepClasses: true, maxElemsToParse: MAX_ELEMENTS }).parse()
  } catch {
    return null
  }
}

const toMarkdown = (html: string): string => {
  const turndown = new TurndownService({
    headingStyle: 'atx',
    codeBlockStyle: 'fenced',
    bulletListMarker: '-',
  })
  turndown.use(gfm)
  const markdown = turndown.turndown(html)
  return clipped(markdown.replaceAll(/\n{3,}/g, '\n\n').trim())
}

const lengthOf = (text: string | null | undefined): number => (text ?? '').replaceAll(/\s+/g, ' ').length
