/** What a user would write by hand: no log, no fencing, no cancel. `naive.ts api` (prints its URL) or `naive.ts worker`. */
import { serve } from '@hono/node-server'
import { Queue, Worker } from 'bullmq'
import { Hono } from 'hono'
import { Redis } from 'ioredis'
import OpenAI from 'openai'

const { REDIS_URL = '', CONCURRENCY = '16' } = process.env
const connection = new Redis(REDIS_URL, { maxRetriesPerRequest: null })

if (process.argv[2] === 'api') {
  const queue = new Queue('naive', { connection })
  const app = new Hono()
    .post('/api/tasks', async (c) => {
      const job = await queue.add('task', await c.req.json())
      return c.json({ task_id: job.id, session_id: job.id, status: 'pending' }, 201)
    })
    .get('/api/tasks/stats', async (c) => c.json({ failed: 0, ...(await queue.getJobCounts('completed')) }))
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
    process.stdout.write(`http://127.0.0.1:${port}\n`),
  )
} else {
  const openai = new OpenAI()
  const worker = new Worker(
    'naive',
    async (job) => {
      const stream = await openai.chat.completions.create({
        model: 'gpt-5-mini',
        messages: [{ role: 'user', content: job.data.task }],
        stream: true,
        stream_options: { include_usage: true },
      })
      let answer = ''
      for await (const chunk of stream) answer += chunk.choices[0]?.delta.content ?? ''
      return { answer }
    },
    { connection, concurrency: Number(CONCURRENCY) },
  )
  await worker.waitUntilReady()
  process.stdout.write('ready\n')
}
