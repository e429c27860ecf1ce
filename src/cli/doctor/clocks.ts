/** Clocks of hosts, against that of Redis: times shown are of both. */
import type { AlexClient } from '../../client/client.ts'
import type { Finding } from './finding.ts'

/** Less may be the way of a heartbeat, or two beats mixed. */
const MOST_MS = 2000
const ANSWER_MS = 5000

/** Of the workers' hosts, as the API has it from their heartbeats; nothing when it does not answer. */
export const checkWorkerClocks = async (client: AlexClient): Promise<Finding[]> => {
  try {
    const workers = await client.workers({ signal: AbortSignal.timeout(ANSWER_MS) })
    const byHost = new Map(workers.map((worker) => [worker.host, worker]))
    return [...byHost.values()].flatMap(({ host, clock_offset_ms = 0 }) =>
      clockFinding(`the host ${host}`, clock_offset_ms),
    )
  } catch {
    return []
  }
}

export const clockFinding = (whose: string, offsetMs: number): Finding[] => {
  if (Math.abs(offsetMs) <= MOST_MS) return []
  const by = `${(Math.abs(offsetMs) / 1000).toFixed(1)} s ${offsetMs > 0 ? 'ahead of' : 'behind'}`
  const message = `the clock of ${whose} is ${by} that of Redis: times and durations shown are wrong by as much`
  return [
    {
      part: 'clock',
      level: 'problem',
      message,
      remedy: 'synchronize the clocks (chrony, systemd-timesyncd)',
    },
  ]
}
