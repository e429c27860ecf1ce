import { z } from 'zod'
import { ComponentState } from '../schemas/health.ts'
import type { Server } from './server.ts'

const Health = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  components: z.array(ComponentState),
})

/** Lines for a person: the status, then each component that is not ready. Null when nobody answers. */
export const healthLines = async (server: Server): Promise<string[] | null> => {
  try {
    const response = await server.request('/health', { signal: AbortSignal.timeout(5_000) })
    const { status, components } = Health.parse(await response.json())
    const complaints = components.filter((component) => component.status === 'not_ready')
    return [`health: ${status}`, ...complaints.map(({ name, message }) => `  ${name}: ${message}`)]
  } catch {
    return null
  }
}

/** Whether tasks can be submitted now. */
export const isReady = async (server: Server): Promise<boolean> => {
  try {
    const response = await server.request('/health/ready', { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}
