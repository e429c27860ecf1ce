/**
 * Calls back once when the supervisor that started this process is gone, however it died: its end of the IPC
 * channel is closed by the operating system. Without a supervisor nothing ever happens.
 *
 * The embedded Redis ends at the same moment, so what still has to be written there must not be waited for long.
 */
export const onParentGone = (callback: () => void): void => {
  if (process.channel === undefined || process.channel === null) return
  process.once('disconnect', callback)
  // The listener above must not keep a process alive that has nothing else to do.
  process.channel.unref()
  if (!process.connected) callback()
}
