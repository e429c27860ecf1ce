/** BullMQ by itself: an empty processor. Prints `ready`, and works until it is stopped. */
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'

const { REDIS_URL = '', CONCURRENCY = '16' } = process.env
const worker = new Worker('bare', async () => {}, {
  connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }),
  concurrency: Number(CONCURRENCY),
})
await worker.waitUntilReady()
process.stdout.write('ready\n')
