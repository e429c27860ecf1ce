/** The tasks this worker holds right now. */
import type { Lease } from '../src/tasks/store.ts'
import type { LeaseClock } from './lease.ts'

/** Why an activation was told to stop, the signal's reason. `refused`: Redis says the task is not ours any more. */
export type StopCause = 'cancelled' | 'timeout' | 'refused' | 'drained'

export interface Activation extends Lease {
  clock: LeaseClock
  /** The first cause counts. */
  stop: (cause: StopCause) => void
}

export const createActivations = () => {
  const held = new Map<string, Activation>()
  const emptied = new Set<() => void>()
  return {
    add(activation: Activation) {
      held.set(activation.activation, activation)
    },
    delete(activation: Activation) {
      held.delete(activation.activation)
      if (held.size > 0) return
      for (const resolve of emptied) resolve()
      emptied.clear()
    },
    all: () => [...held.values()],
    count: () => held.size,
    has: (activation: Activation) => held.has(activation.activation),
    cancel(taskId: string) {
      for (const activation of held.values()) if (activation.task_id === taskId) activation.stop('cancelled')
    },
    /** Resolves when none is left. */
    empty: () =>
      held.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => void emptied.add(resolve)),
  }
}
export type Activations = ReturnType<typeof createActivations>
