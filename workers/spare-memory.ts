/**
 * Gives back what work has left behind once there is none: V8 collects while it allocates, so that the heap of a
 * worker stays as large as its last burst made it for as long as it has nothing to do.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { type: 'major'; execution: 'async' }) => Promise<void>

export interface SpareMemory extends Disposable {
  /** To be told whenever there is work. */
  worked: () => void
}

export interface SpareMemoryOptions {
  /** Asked when nothing was begun for a while. */
  isIdle: () => boolean
  /** So long nothing must have been begun. Milliseconds. */
  quietMs?: number
  /** A collection stops everything for some ten milliseconds: at most one in this time. */
  betweenMs?: number
}

export const createSpareMemory = ({
  isIdle,
  quietMs = 10_000,
  betweenMs = 60_000,
}: SpareMemoryOptions): SpareMemory => {
  // Not by a flag of the process, so that it holds however that was started.
  setFlagsFromString('--expose-gc')
  const collect: Collect = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  let timer: NodeJS.Timeout | undefined
  let next = 0

  const wait = (ms: number) => {
    timer = setTimeout(look, ms)
    timer.unref()
  }
  const look = () => {
    timer = undefined
    const early = next - performance.now()
    if (!isIdle() || early > 0) return wait(Math.max(quietMs, early))
    next = performance.now() + betweenMs
    void collect({ type: 'major', execution: 'async' })
  }
  return {
    worked() {
      if (timer) timer.refresh()
      else wait(quietMs)
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}
