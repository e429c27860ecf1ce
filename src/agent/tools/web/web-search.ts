import { z } from 'zod'
import { plainText } from '../output-cap.ts'
import { defineTool, type ToolContext } from '../tool.ts'
import type { SearchAnswer } from './tavily.ts'
import { UNTRUSTED } from './untrusted.ts'

export interface WebSearchOptions {
  /** Of Tavily. */
  apiKey: string | undefined
  baseUrl: string
}

const TIMEOUT_MS = 30_000
/** Ten of them, with their titles and addresses, pass the cap uncut. */
const SNIPPET_CHARS = 1_200

export const webSearchTool = (options: WebSearchOptions | undefined) =>
  defineTool({
    name: 'web_search',
    description:
      'Search the web. Gives title, address and an excerpt of each result; read a page itself with web_fetch.',
    parameters: z.object({
      query: z.string().trim().min(1).max(400).describe('What to look for, as one would type it'),
      max_results: z.number().int().min(1).max(10).optional().describe('5 if absent'),
      search_depth: z
        .enum(['basic', 'advanced'])
        .optional()
        .describe('basic if absent; advanced is slower, costs more and finds better excerpts'),
    }),
    effect: 'read',
    timeoutMs: () => TIMEOUT_MS,
    async run({ query, max_results = 5, search_depth = 'basic' }, { signal }: ToolContext) {
      const { apiKey, baseUrl = '' } = options ?? {}
      if (apiKey === undefined) return { content: NO_KEY, error: 'no key' }
      const { searchTavily } = await import('./tavily.ts')
      const request = { query, maxResults: max_results, depth: search_depth, signal }
      const outcome = await searchTavily(request, { apiKey, baseUrl })
      if (!outcome.ok) return { content: `The search failed. ${outcome.message}`, error: outcome.kind }
      return { content: render(query, outcome.answer, max_results) }
    },
  })

const NO_KEY =
  'Web search is not set up. It needs a key of Tavily (https://tavily.com): whoever runs ALEX sets it as ' +
  'TAVILY_API_KEY in the environment or as tavily_api_key in the configuration file, and restarts. ' +
  'Pages whose address is known can be read with web_fetch.'

const render = (query: string, { answer, results }: SearchAnswer, most: number): string => {
  if (results.length === 0 && !answer) return `No results for ${JSON.stringify(query)}.`
  const entries = results.slice(0, most).map(({ title, url, content, published_date }, index) => {
    const dated = published_date ? ` (${oneLine(published_date)})` : ''
    const excerpt = plainText(content ?? '').trim()
    const cut = excerpt.length > SNIPPET_CHARS ? `${excerpt.slice(0, SNIPPET_CHARS).trimEnd()} …` : excerpt
    return [`${index + 1}. ${oneLine(title || url)}${dated}`, oneLine(url), cut].filter(Boolean).join('\n')
  })
  return [UNTRUSTED, ...(answer ? [`Summary: ${plainText(answer).trim()}`] : []), ...entries].join('\n\n')
}

const oneLine = (text: string): string => plainText(text).replaceAll(/\s+/g, ' ').trim().slice(0, 300)
