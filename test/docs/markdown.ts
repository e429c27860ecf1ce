/** What the tests need of a Markdown page. */
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { DOCS, pages } from '../../docs/pages.ts'

export const ROOT = join(import.meta.dirname, '../..')

/** Pages whose shell blocks are run or say why not, relative to the root of the checkout. */
export const documentation = async (): Promise<string[]> => [
  'README.md',
  ...(await pages()).map((page) => relative(ROOT, join(DOCS, page))),
]

export const readMarkdown = (page: string): Promise<string> => readFile(join(ROOT, page), 'utf8')

const FENCE = /^(?:<!-- not run: (.+) -->\n)?```(\w*)\n([\s\S]*?)^```$/gm

export interface Block {
  language: string
  text: string
  /** Why it is not run, as the comment above it says. */
  notRun?: string
}

export const blocksOf = (markdown: string): Block[] =>
  [...markdown.matchAll(FENCE)].map(([, notRun, language = '', text = '']) => ({
    language,
    text,
    ...(notRun !== undefined && { notRun }),
  }))

const isShell = ({ language }: Block): boolean => ['bash', 'sh', 'shell', 'console'].includes(language)

export const shellBlocksOf = (markdown: string): Block[] => blocksOf(markdown).filter(isShell)

const withoutCode = (markdown: string): string =>
  markdown.replaceAll(FENCE, '').replaceAll(/`[^`\n]+`/g, 'code')

/** Targets of links, without those to other hosts. */
export const linksOf = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)]
    .flatMap(([, target]) => target ?? [])
    .filter((target) => !/^[a-z]+:/.test(target))

/** Of headings, as GitHub makes them. */
export const anchorsOf = (markdown: string): string[] =>
  [...markdown.replaceAll(FENCE, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
