import type { Health } from '../client/client.ts'
import type { Remote } from './remote.ts'

/** Null when nobody answers. */
export const askHealth = async ({ client }: Remote): Promise<Health | null> => {
  try {
    return await client.health({ signal: AbortSignal.timeout(5_000) })
  } catch {
    return null
  }
}

/** Lines for a person: the status, then each component that is not ready. */
export const healthLines = (health: Health | null): string[] => {
  if (health === null) return ['health: no answer']
  const complaints = health.components.filter((component) => component.status === 'not_ready')
  return [`health: ${health.status}`, ...complaints.map(({ name, message }) => `  ${name}: ${message}`)]
}

/** Whether tasks can be submitted now. */
export const isReady = async ({ client }: Remote): Promise<boolean> => {
  try {
    return await client.ready({ signal: AbortSignal.timeout(2_000) })
  } catch {
    return false
  }
}
