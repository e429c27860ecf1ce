/**
 * A small run in which the service kept its word although a worker was lost: three sessions, tasks that went
 * undisturbed, were taken over, cancelled in their line and at work, and deleted. Tests break it in one place.
 */
import { createScript } from './check-script.ts'
import type { History } from './history.ts'

export const exampleHistory = (): History => {
  const run = createScript()

  const plain = run.submit('plain', 's1', [['ledger'], ['file', 'read'], []])
  const crashed = run.submit('crashed', 's1', [['ledger'], ['http'], []])
  const waiting = run.submit('waiting', 's1', [['ledger'], []])
  run.watch('from plain on', { task_id: plain.task_id })
  run.start(plain, 'w1.0')
  for (const turn of [0, 1, 2]) run.turn(plain, 'w1.0', turn)
  run.complete(plain)
  run.cancel(waiting, 200, () => run.cancelled(waiting))

  run.start(crashed, 'w1.0')
  run.iteration(crashed, 0)
  run.think(crashed, 0, run.ask(crashed, 0, 'w1.0'))
  run.startCall(crashed, 0, 0)
  run.effect(crashed, 0, 0)
  run.fault('kill_worker', 'w1.0')
  run.resume(crashed, 'w2.0', 2)
  run.completeCall(crashed, 0, 0, { error: 'interrupted', interrupted: true })
  run.closeIteration(crashed, 0)
  for (const turn of [1, 2]) run.turn(crashed, 'w2.0', turn)
  run.complete(crashed)

  const stopped = run.submit('stopped', 's2', [['ledger', 'ledger'], []])
  const late = run.submit('late', 's2', [['http'], []], { keyless: true })
  const reasked = run.submit('reasked', 's2', [['read', 'ledger'], []])
  const taken = run.submit('taken', 's2', [['ledger'], []])
  run.watch('from late on', { task_id: late.task_id })
  run.start(stopped, 'w1.0')
  run.iteration(stopped, 0)
  run.think(stopped, 0, run.ask(stopped, 0, 'w1.0'))
  run.startCall(stopped, 0, 0)
  run.effect(stopped, 0, 0)
  run.cancel(stopped, 200, () => {
    for (const index of [0, 1]) run.completeCall(stopped, 0, index, { error: 'cancelled' })
    run.cancelled(stopped)
  })

  run.start(late, 'w2.0')
  run.ask(late, 0, 'w2.0', '500')
  for (const turn of [0, 1]) run.turn(late, 'w2.0', turn)
  run.complete(late)
  run.cancel(late, 409)

  run.start(reasked, 'w1.0')
  run.iteration(reasked, 0)
  run.ask(reasked, 0, 'w1.0', 'closed_by_client')
  run.resume(reasked, 'w2.0', 2)
  run.think(reasked, 0, run.ask(reasked, 0, 'w2.0'))
  run.runCalls(reasked, 0)
  run.turn(reasked, 'w2.0', 1)
  run.complete(reasked)

  run.start(taken, 'w1.0')
  run.iteration(taken, 0)
  run.think(taken, 0, run.ask(taken, 0, 'w1.0'))
  run.resume(taken, 'w2.0', 2)
  run.runCalls(taken, 0)
  run.turn(taken, 'w2.0', 1)
  run.complete(taken)

  const gone = run.submit('gone', 's3', [['ledger'], []])
  run.start(gone, 'w2.0')
  run.turn(gone, 'w2.0', 0)
  run.watch('of the deleted session', { session_id: 's3' })
  run.watch('of s1', { session_id: 's1' }, 'all')
  run.watch('who came late', { session_id: 's2' })
  run.watch('who left early', { task_id: taken.task_id })
  return run.end()
}
