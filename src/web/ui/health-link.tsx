import { useCallback } from 'react'
import { Link } from 'wouter'
import { useClient } from '../access.tsx'
import { useFleetHistory } from '../state/fleet-history.ts'
import { usePolled } from '../state/use-polled.ts'

const EVERY_MS = 2000

/** How the fleet is, everywhere in sight; each look is also a point in the Fleet page's charts. */
export const HealthLink = () => {
  const client = useClient()
  const { record } = useFleetHistory()
  const load = useCallback(
    async (signal: AbortSignal) => {
      const health = await client.health({ signal })
      record(health)
      return health
    },
    [client, record],
  )
  const { data, error } = usePolled(load, EVERY_MS)
  const status = error ? 'unreachable' : (data?.status ?? 'unknown')
  return (
    <Link href="/fleet" className="health" data-status={status}>
      <span className="dot" aria-hidden="true" />
      <span role="status">{WORDS[status]}</span>
    </Link>
  )
}

const WORDS = {
  healthy: 'Healthy',
  degraded: 'Degraded',
  unhealthy: 'Unhealthy',
  unreachable: 'API unreachable',
  unknown: 'Looking…',
}
