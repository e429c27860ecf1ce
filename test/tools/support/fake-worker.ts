/** A worker with one lease that beats until it is stopped or killed. Arguments: lease in ms, folder, argv as JSON. */
import { createGuard } from '../../../src/agent/tools/guard-client.ts'
import { monotonicMs } from '../../../src/agent/tools/guard-protocol.ts'

const [leaseMs = '', cwd = '', argv = '[]'] = process.argv.slice(2)
const guard = createGuard({ leaseMs: Number(leaseMs) })
const beat = (): void => guard.beat(monotonicMs())
beat()
setInterval(beat, 100)
const result = await guard.run({
  key: `fake-worker-${process.pid}`,
  argv: JSON.parse(argv),
  cwd,
  env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: '/nonexistent' },
  timeoutMs: 60_000,
  keepChars: 10_000,
  onOutput: (chunk) => process.stdout.write(chunk),
  signal: new AbortController().signal,
})
process.stdout.write(`ended ${JSON.stringify(result)}\n`)
