/** Says every few seconds which folder of sessions this process sees, so that others know whether it is shared. */
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { IDLE_S, tick } from '../tick.ts'
import type { Keeping } from './keeping.ts'
import type { SessionFolder } from './session-folder.ts'

export const startPresence = (options: {
  keeping: Keeping
  folder: SessionFolder
  processId: string
  log: Log
}): Disposable => {
  const { keeping, folder, processId, log } = options
  const stopping = new AbortController()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      const marker = await folder.marker().catch(() => null)
      await keeping
        .announce(processId, marker)
        .catch((error: unknown) => log.debug({ err: messageOf(error) }, '[ServerCoordinator] presence'))
      await tick(IDLE_S, stopping.signal)
    }
  }
  void loop()
  return { [Symbol.dispose]: () => stopping.abort() }
}
