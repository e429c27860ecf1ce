/** The embedded Redis ends with the supervisor: whoever waits for it longer waits in vain. */
const LEAVE_WITHIN_MS = 3_000

/**
 * Calls back once when the supervisor that started this process is gone, however it died (the operating system
 * closes its end of the IPC channel), and ends the process 3 s later if it is still there. Without a supervisor
 * nothing ever happens.
 */
export const onParentGone = (callback: () => void): void => {
  if (process.channel === undefined || process.channel === null) return
  const leave = () => {
    setTimeout(() => process.exit(1), LEAVE_WITHIN_MS).unref()
    callback()
  }
  process.once('disconnect', leave)
  // The listener above must not keep a process alive that has nothing else to do.
  process.channel.unref()
}
