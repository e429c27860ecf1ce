/** What the model says to each task of the console's tests, and a session that was long before. */
import type { LogEvent } from '../../src/schemas/event.ts'
import type { Store } from '../../src/tasks/store.ts'
import { calls } from '../support/service.ts'
import { completed, runTask } from '../support/sse.ts'
import type { Console } from './console.ts'

/** Told apart by their numbers, so that a lost or doubled piece shows. */
export const WORDS = Array.from({ length: 200 }, (_, i) => `word${i}`).join(' ')

const HOSTILE = `<script>window.pwned = 1</script><img src="x" onerror="window.pwned = 2">

[click me](javascript:window.pwned=3) [data](data:text/html,<script>1</script>) ![see](https://tracker.example/a.png?x=1)

<a href="javascript:window.pwned=4" onclick="window.pwned=5">raw link</a> <iframe src="javascript:window.pwned=6"></iframe>

[good](https://example.com/) still here`

export const script = (model: Console['model']): void => {
  model.on(
    { userMessage: /fix the greeting/, turnIndex: 0 },
    {
      content: 'I look at the file first, then change it.',
      ...calls([
        'bash',
        {
          command: String.raw`printf 'Hello, wrold\nBye\n' > greeting.txt; until [ -e go ]; do printf '\033[32mgreen\033[0m\n'; sleep 0.1; done`,
        },
      ]),
    },
  )
  model.on(
    { userMessage: /fix the greeting/, turnIndex: 1 },
    calls(
      ['file_edit', { file_path: 'greeting.txt', old_string: 'wrold', new_string: 'world' }],
      ['file_read', { path: 'nowhere.txt' }],
    ),
  )
  model.on({ userMessage: /fix the greeting/, turnIndex: 2 }, { content: ANSWER })
  model.on({ userMessage: /watch the build/ }, calls(['bash', { command: BUILD }]))
  model.on({ userMessage: /many words/ }, { content: WORDS }, { latency: 40, chunkSize: 10 })
  model.on({ userMessage: /be hostile/ }, { content: HOSTILE })
  model.on({ userMessage: /be quick/ }, { content: 'quick enough' })
}

const BUILD = 'for i in $(seq 1 3000); do echo "building part $i"; sleep 0.2; done'

const ANSWER = `## Done

The greeting was misspelt. I changed **one word** in \`greeting.txt\`:

| file | before | after |
|---|---|---|
| greeting.txt | wrold | world |

\`\`\`sh
cat greeting.txt
\`\`\`

See <https://example.com/style>.`

/** A session of more than 5 000 events. */
export const longSession = async (store: Store, id: string): Promise<void> => {
  const worker = await runTask(store, id, 'count to a thousand')
  for (let from = 1; from <= 1000; from += 25) {
    const steps = Array.from({ length: 25 }, (_, i) => countingStep(from + i))
    await worker.append(...steps.flat())
  }
  await worker.finish(completed('A thousand it is.'))
}

const countingStep = (iteration: number): LogEvent[] => {
  const call = { call_id: `${iteration}.1`, tool_name: 'bash' }
  return [
    { event_type: 'iteration_start', iteration, max_iterations: 1000 },
    {
      event_type: 'think_complete',
      iteration,
      content: `Number **${iteration}** comes next.`,
      tool_calls: [],
      model: 'gpt-4o-mini',
      usage: { input_tokens: 100, output_tokens: 10, cached_tokens: 0 },
      cost_usd: 0.000_02,
      duration: 400,
    },
    {
      event_type: 'tool_call_start',
      iteration,
      ...call,
      arguments: { command: `echo ${iteration}` },
      effect: 'write',
    },
    {
      event_type: 'tool_call_complete',
      ...call,
      result: `exit code 0\nstdout:\n${iteration}`,
      duration: 12,
    },
    { event_type: 'iteration_complete', iteration, tokens_used: 110, tools_run: 1 },
  ]
}
