import { setTimeout as pause } from 'node:timers/promises'
import { cpuMs, total } from '../numbers.ts'
import { startPlace } from '../place.ts'
import type { Figure, Suite } from '../report.ts'
import { startService } from '../service.ts'

const WORKERS = 2
const TASKS = 200
const TOKENS_A_SECOND = 100
const SECONDS = 8
/** Of the streaming, in which the processes' event loops are looked at. */
const WINDOW_S = 5
/** After the last task has begun: code is compiled, and what all of them left is collected. */
const SETTLE_MS = 1000
const LAG_MS = 20

/** Puts the pieces of an answer together; what was missed leaves a hole. */
const createReader = () => {
  let text = ''
  let pieces = 0
  let answer: string | undefined
  return {
    hear(name: string, data: string) {
      if (name === 'assistant_message') {
        const { offset, delta } = JSON.parse(data) as { offset: number; delta: string }
        text = text.slice(0, offset).padEnd(offset, '\0') + delta
        pieces += 1
      }
      if (name === 'task_complete') answer = (JSON.parse(data) as { final_answer: string }).final_answer
      if (name === 'task_failed') throw new Error(`a task failed: ${data}`)
    },
    pieces: () => pieces,
    hasEnded: () => answer !== undefined,
    /** Characters of the answer that did not come live. */
    missed: () =>
      Array.from({ length: answer?.length ?? 0 }, (_, i) => text[i] === answer?.[i]).filter((is) => !is)
        .length,
    characters: () => answer?.length ?? 0,
  }
}

export const tokens: Suite = {
  name: 'tokens',
  about: `${TASKS} tasks streaming ${TOKENS_A_SECOND} tokens/s each to a watcher of its own`,
  async run(say): Promise<Figure[]> {
    await using place = await startPlace()
    await using alex = await startService(place, { workers: WORKERS, slots: TASKS / WORKERS })
    const { client, pids } = alex
    const workers = await client.get<{ port: number }[]>('/api/workers')
    const addresses = [alex.url, ...workers.map(({ port }) => `http://127.0.0.1:${port}`)]
    /** Of each process, since it was asked last. */
    const lags = () => Promise.all(addresses.map(lagSinceAsked))

    const readers = Array.from({ length: TASKS }, createReader)
    // The first answer takes a process tens of milliseconds, which are not to count as the next one's.
    await lags()
    await Promise.all(
      readers.map(async (reader) => {
        const { task_id } = await client.submit({ model: `paced-${TOKENS_A_SECOND}x${SECONDS}` })
        await client.events(`/api/tasks/${task_id}/events`, (name, data) => reader.hear(name, data))
      }),
    )
    while (readers.some((reader) => reader.pieces() === 0)) await pause(10)
    await pause(SETTLE_MS)
    const beginning = Math.max(...(await lags()))
    const processes = [pids.api, ...pids.workers, place.pids.redis, place.pids.model, process.pid]
    const before = await Promise.all(processes.map(cpuMs))
    await pause(WINDOW_S * 1000)
    const [api = Number.NaN, ...ofWorkers] = await lags()
    const after = await Promise.all(processes.map(cpuMs))
    const share = after.map((ms, i) => (ms - (before[i] ?? 0)) / WINDOW_S / 10)
    const [ofApi, ofModel, ofReaders] = [share[0], share.at(-2), share.at(-1)].map((each) => each?.toFixed(0))
    const ofOurs = share.slice(1, -2).map((each) => each.toFixed(0))
    say(
      `% of a core: API ${ofApi}, workers and Redis ${ofOurs.join(', ')}; model ${ofModel}, readers ${ofReaders}`,
    )
    while (!readers.every((reader) => reader.hasEnded())) await pause(10)
    const pieces = total(readers.map((reader) => reader.pieces()))
    const characters = total(readers.map((reader) => reader.characters()))
    return [
      {
        what: 'characters that did not arrive live',
        value: total(readers.map((reader) => reader.missed())),
        unit: '',
        atMost: 0,
        beside: `of ${characters}, in ${pieces} pieces: ${((TASKS * TOKENS_A_SECOND * SECONDS) / pieces).toFixed(1)} tokens each`,
      },
      { what: 'event-loop lag of the API, p99', value: api, unit: 'ms', atMost: LAG_MS },
      {
        what: 'event-loop lag of the worst worker, p99',
        value: Math.max(...ofWorkers),
        unit: 'ms',
        atMost: LAG_MS,
        beside: `while all began at once: ${beginning.toFixed(0)} ms`,
      },
    ]
  },
}

/** 99th percentile, in ms. */
const lagSinceAsked = async (address: string): Promise<number> => {
  const metrics = await (await fetch(`${address}/metrics`)).text()
  const seconds = Number(/^alex_nodejs_eventloop_lag_p99_seconds (.+)$/m.exec(metrics)?.[1])
  return seconds * 1000
}
