/** What the offline model does next. A plan has stages; each is one round of calls, empty ones are passed over. */
import { type Facts, learn, noFacts, type Round } from './offline-facts.ts'

export interface PlannedCall {
  tool_name: string
  arguments: string
}

export interface Plan {
  facts: Facts
  /** Words of the task that the search went by; empty when it names nothing in particular. */
  words: string[]
  /** Said with the calls, e.g. `Looking around in the workspace.` */
  saying: string
  /** None: it is time for the answer. */
  calls: PlannedCall[]
}

interface Stage {
  saying: string
  calls: (facts: Facts) => PlannedCall[]
}

const MAX_READS = 6
const MAX_WORDS = 3

/** Depends on its arguments alone, so a resumed task goes on with the same plan. */
export const planNext = (task: string, rounds: readonly Round[][], offered: ReadonlySet<string>): Plan => {
  const facts = noFacts()
  const words = searchWords(task)
  const asked = directives(task)
  const stages = asked.length > 0 ? asked : explore(task, words)
  let round = 0
  for (const { saying, calls } of stages) {
    const wanted = calls(facts)
    const possible = wanted.filter((call) => offered.has(call.tool_name))
    if (possible.length === 0) {
      for (const call of wanted.slice(0, 1)) facts.failures.push(notOffered(call))
      continue
    }
    const made = rounds[round]
    if (!made) return { facts, words, saying, calls: possible }
    for (const call of made) learn(facts, call)
    round += 1
  }
  return { facts, words, saying: '', calls: [] }
}

/** `bash: <command>` and `write <path>: <content>`, each a line of its own: one round each, and nothing else. */
const directives = (task: string): Stage[] =>
  task.split('\n').flatMap((line) => {
    const [, command] = /^\s*bash:\s*(\S.*)$/i.exec(line) ?? []
    if (command) return [{ saying: 'Running the command.', calls: () => [planned('bash', { command })] }]
    const [, path, content] = /^\s*write\s+([^\s:]+):\s?(.*)$/i.exec(line) ?? []
    if (path === undefined) return []
    return [
      {
        saying: `Writing ${path}.`,
        calls: () => [planned('file_write', { path, content: `${content ?? ''}\n` })],
      },
    ]
  })

const explore = (task: string, words: readonly string[]): Stage[] => [
  {
    saying: 'Looking around in the workspace.',
    calls: () => [planned('list_files', { path: '.', depth: 3 })],
  },
  {
    saying: 'Reading what the task names, the README, the manifest and the entry points.',
    calls: (facts) => worthReading(task, facts).map((path) => planned('file_read', { path, limit: 120 })),
  },
  {
    saying: words.length > 0 ? "Searching for the task's words." : 'Searching for what is marked as open.',
    calls: () =>
      words.length > 0
        ? words.map((word) =>
            planned('grep', { pattern: escapeRegExp(word), ignore_case: true, max_results: 20 }),
          )
        : [planned('grep', { pattern: String.raw`\b(TODO|FIXME|HACK)\b`, max_results: 20 })],
  },
  {
    saying: 'Reading around the matches.',
    calls: (facts) =>
      words.length > 0
        ? bestMatches(facts).map(({ path, line }) =>
            planned('file_read', { path, offset: Math.max(1, line - 5), limit: 25 }),
          )
        : [],
  },
]

const notOffered = ({ tool_name }: PlannedCall) => ({
  what: tool_name,
  result: 'this tool is not offered under the tool preset of the task',
})

const planned = (tool_name: string, args: object): PlannedCall => ({
  tool_name,
  arguments: JSON.stringify(args),
})

export const MANIFESTS =
  /^(package\.json|pyproject\.toml|requirements\.txt|go\.mod|cargo\.toml|pom\.xml|build\.gradle(\.kts)?|gemfile|composer\.json|cmakelists\.txt|makefile)$/i
export const README = /^readme(\.\w+)?$/i
export const ENTRY =
  /^(main|index|app|server|cli|lib|mod|__main__|program)\.(ts|js|mjs|py|go|rs|java|kt|rb|php|cs|c|cpp|swift)$/i

export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const depth = (path: string): number => path.split('/').length

/** Paths in the order they are worth reading: named in the task, README, manifests, entry points, each top first. */
const worthReading = (task: string, { files }: Facts): string[] => {
  const byDepth = files.map((file) => file.path).toSorted((a, b) => depth(a) - depth(b))
  const mentioned = new Set(task.match(/[\w./-]+/g)?.map((word) => word.replace(/^\.\/|[.,]+$/g, '')))
  const named = byDepth.filter(
    (path) => mentioned.has(path) || (baseName(path).includes('.') && mentioned.has(baseName(path))),
  )
  const matching = (pattern: RegExp, most: number) =>
    byDepth.filter((path) => pattern.test(baseName(path))).slice(0, most)
  const paths = [
    ...named.slice(0, 4),
    ...matching(README, 1),
    ...matching(MANIFESTS, 2),
    ...matching(ENTRY, 2),
  ]
  return [...new Set(paths)].slice(0, MAX_READS)
}

/** The first match in each of the files with the most of them. */
const bestMatches = ({ matches, reads }: Facts) => {
  const read = new Set(reads.map(({ path }) => path))
  const byPath = Map.groupBy(
    matches.filter(({ path }) => !read.has(path)),
    ({ path }) => path,
  )
  return [...byPath.values()]
    .toSorted((a, b) => b.length - a.length)
    .slice(0, 3)
    .flatMap((found) => found.slice(0, 1))
}

/** Identifiers and quoted words first, then long ones; words that every task has are left out. */
const searchWords = (task: string): string[] => {
  const quoted = [...task.matchAll(/[`"']([\w.-]{3,40})[`"']/g)].map((match) => match[1] ?? '')
  const words = task.match(/[\p{L}_][\p{L}\p{N}_]{3,39}/gu) ?? []
  const identifiers = words.filter((word) => /_|\p{Ll}\p{Lu}/u.test(word))
  const plain = words
    .filter((word) => !COMMON.has(word.toLowerCase()))
    .toSorted((a, b) => b.length - a.length)
  const seen = new Map([...quoted, ...identifiers, ...plain].map((word) => [word.toLowerCase(), word]))
  return [...seen.values()].slice(0, MAX_WORDS)
}

const escapeRegExp = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

const COMMON = new Set(
  `about above after again against also analyse analyze another around because been before being below between
  both build change changes check code codebase could create describe detail details does done down during each
  every explain explore file files find first folder from function give have having help here improve improvements
  into issue issues just know like line lines list look looks main make many more most much need only other over
  overview please problem problems project provide read repo repository report review same should show some source
  structure such suggest summarise summarize summary take task tell than that their them then there these they
  thing things this those through until update using very want what when where which while will with work works
  workspace would write your`.split(/\s+/),
)
