/** The offline model's answer: what it found, by name, and that nobody understood the task. */
import { z } from 'zod'
import type { Facts } from './offline-facts.ts'
import { baseName, ENTRY, MANIFESTS, type Plan, README } from './offline-plan.ts'

const SETUP =
  'Set `api_key` (or `base_url` for a local endpoint) to have a language model work on tasks. Without one, a line ' +
  '`bash: <command>` or `write <path>: <content>` in the task is carried out as it stands.'

/** Markdown. */
export const offlineReport = (task: string, { facts, words }: Plan, offered: ReadonlySet<string>): string =>
  [
    facts.done.length > 0 ? '# Done as told' : '# What is in the workspace',
    `> This is the **offline model**: a fixed plan without language understanding. It did not interpret the task ` +
      `(“${oneLine(task, 120)}”); everything below was read from the workspace by ALEX's tools.`,
    ...done(facts),
    ...overview(facts),
    ...readme(facts),
    ...manifests(facts),
    ...mainFiles(facts),
    ...searched(facts, words),
    ...excerpts(facts),
    ...failures(facts),
    ...(offered.size === 0 ? ['No tools were offered for this task, so nothing could be looked at.'] : []),
    `---\n${SETUP}`,
  ].join('\n\n')

const done = ({ done: actions }: Facts) =>
  actions.map(({ what, result }) => `## ${oneLine(what, 100)}\n\n${fenced(result.slice(0, 4_000))}`)

const overview = ({ files, folders, listingCut }: Facts): string[] => {
  if (files.length === 0 && folders.length === 0) return []
  const byType = Map.groupBy(files, ({ path }) => /\.\w+$/.exec(baseName(path))?.[0] ?? 'other')
  const types = [...byType]
    .map(([type, of]) => ({ type, count: of.length, example: of[0]?.path ?? '' }))
    .toSorted((a, b) => b.count - a.count || a.type.localeCompare(b.type))
    .slice(0, 8)
  const tops = folders.filter((path) => path.indexOf('/') === path.length - 1)
  return [
    '## Overview',
    `${listingCut ? 'At least ' : ''}${files.length} files in ${folders.length} folders, down to three levels.`,
    [
      '| type | files | for example |',
      '|---|---:|---|',
      ...types.map(({ type, count, example }) => `| \`${type}\` | ${count} | \`${example}\` |`),
    ].join('\n'),
    ...(tops.length > 0 ? [`Top folders: ${tops.map((path) => `\`${path}\``).join(', ')}`] : []),
  ]
}

/** Title and first paragraphs, without badges and pictures. */
const readme = ({ reads }: Facts): string[] => {
  const read = reads.find(({ path, from }) => README.test(baseName(path)) && from === 1)
  if (!read) return []
  const lines = read.text.split('\n').filter((line) => !/^\s*(\[?!\[|<)/.test(line))
  const top = lines
    .join('\n')
    .trim()
    .split(/\n{2,}/)
    .slice(0, 3)
    .join('\n\n')
  return [`## From \`${read.path}\``, quoted(top.slice(0, 1_200))]
}

const Package = z.object({
  name: z.string().optional(),
  version: z.string().optional(),
  description: z.string().optional(),
  scripts: z.record(z.string(), z.string()).optional(),
  dependencies: z.record(z.string(), z.string()).optional(),
})

const manifests = ({ reads }: Facts): string[] =>
  reads
    .filter(({ path, from }) => MANIFESTS.test(baseName(path)) && from === 1)
    .map(({ path, text }) => `## \`${path}\`\n\n${packageFacts(text) ?? fenced(firstLines(text, 15))}`)

/** Null when the text is no whole package.json. */
const packageFacts = (text: string): string | null => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const { data } = Package.safeParse(value)
  if (!data) return null
  const { name = 'unnamed', version, description } = data
  const title = `- **${name}**${version ? ` ${version}` : ''}${description ? `: ${description}` : ''}`
  return [title, ...names('scripts', data.scripts), ...names('dependencies', data.dependencies)].join('\n')
}

const names = (label: string, record: Record<string, string> = {}): string[] => {
  const keys = Object.keys(record)
  return keys.length > 0
    ? [
        `- ${label}: ${keys
          .slice(0, 25)
          .map((key) => `\`${key}\``)
          .join(', ')}`,
      ]
    : []
}

const mainFiles = ({ files, reads }: Facts): string[] => {
  const read = new Map(reads.filter(({ from }) => from === 1).map(({ path, text }) => [path, text]))
  const main = files.filter(({ path }) => read.has(path) || ENTRY.test(baseName(path))).slice(0, 12)
  if (main.length === 0) return []
  const lines = main.map(({ path, size }) => {
    const about = firstComment(read.get(path) ?? '')
    return `- \`${path}\`${size ? ` (${size})` : ''}${about ? `: ${about}` : ''}`
  })
  return ['## Main files', lines.join('\n')]
}

/** What a source file says of itself at its top. */
const firstComment = (text: string): string => {
  const line = text.split('\n').find((candidate) => candidate.trim() !== '' && !candidate.startsWith('#!'))
  const [, comment] = /^\s*(?:\/\*\*?|\/\/|#(?!!)|"""|--|\*)\s*([^*"]{8,})/.exec(line ?? '') ?? []
  return comment === undefined ? '' : oneLine(comment, 140)
}

const searched = ({ matches }: Facts, words: readonly string[]): string[] => {
  const what = words.length > 0 ? words.map((word) => `“${word}”`).join(', ') : 'TODO, FIXME and HACK'
  if (matches.length === 0) return words.length > 0 ? [`## Search\n\nNothing matches ${what}.`] : []
  const shown = matches.slice(0, 15).map(({ path, line, text }) => `- \`${path}:${line}\` ${inline(text)}`)
  const more = matches.length > shown.length ? [`- … and ${matches.length - shown.length} more`] : []
  return [`## Where ${what} ${words.length === 1 ? 'appears' : 'appear'}`, [...shown, ...more].join('\n')]
}

/** Read around matches: not from the first line on. */
const excerpts = ({ reads }: Facts): string[] =>
  reads
    .filter(({ from }) => from > 1)
    .map(({ path, from, text }) => `### \`${path}\` from line ${from}\n\n${fenced(text.slice(0, 1_500))}`)

const failures = ({ failures: failed }: Facts): string[] =>
  failed.length === 0
    ? []
    : ['## What did not work', failed.map(({ what, result }) => `- ${what}: ${inline(result)}`).join('\n')]

const fenced = (text: string): string => {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map((match) => match[0].length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}\n${text.trimEnd()}\n${fence}`
}

const inline = (text: string): string => `\`${oneLine(text, 160).replaceAll('`', "'")}\``
const quoted = (text: string): string => text.replaceAll(/^/gm, '> ')
const firstLines = (text: string, count: number): string => text.split('\n').slice(0, count).join('\n')

const oneLine = (text: string, most: number): string => {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`
}
