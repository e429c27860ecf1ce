/** What the queue was like since the page was opened; kept across pages of the console. */
import { useSyncExternalStore } from 'react'
import type { Health } from '../../client/client.ts'

export interface FleetSample {
  /** ms */
  at: number
  pending: number
  running: number
  /** Of the oldest pending task, in ms. */
  wait: number
}

const KEPT = 450

let samples: readonly FleetSample[] = []
let latest: Health | undefined
const listeners = new Set<() => void>()

const subscribe = (changed: () => void) => {
  listeners.add(changed)
  return () => listeners.delete(changed)
}

const record = (health: Health): void => {
  latest = health
  const details = health.components.find(({ name }) => name === 'queue')?.details
  if (details !== undefined) {
    const number = (name: string) => (typeof details[name] === 'number' ? details[name] : 0)
    const sample = {
      at: Date.now(),
      pending: number('pending'),
      running: number('running'),
      wait: number('oldest_pending_ms'),
    }
    samples = [...samples, sample].slice(-KEPT)
  }
  for (const changed of listeners) changed()
}

export const useFleetHistory = () => ({
  samples: useSyncExternalStore(subscribe, () => samples),
  health: useSyncExternalStore(subscribe, () => latest),
  record,
})
