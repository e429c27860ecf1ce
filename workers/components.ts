/** What this worker's parts are able to do, as heartbeats and health tell it. */
import type { Emitter } from '../src/agent/agent.ts'
import type { LogEvent } from '../src/schemas/event.ts'
import type { ComponentState, Health } from '../src/schemas/health.ts'

interface Options {
  offline: boolean
  sandbox: { active: boolean; message: string }
  git: ComponentState
  mcp: () => ComponentState
}

export const createComponents = ({ offline, sandbox, git, mcp }: Options) => {
  let modelFailure: string | null = null

  const notice = (event: LogEvent) => {
    if (event.event_type === 'think_complete') modelFailure = null
    if (event.event_type === 'error' && event.phase === 'model' && !event.recoverable)
      modelFailure = event.message
  }

  const states = (): ComponentState[] => [
    {
      name: 'llm_factory',
      status: modelFailure === null ? 'ready' : 'not_ready',
      message:
        modelFailure === null
          ? offline
            ? 'offline model: set OPENAI_API_KEY or OPENAI_BASE_URL for a real one'
            : 'LLM factory initialized'
          : `the last model call failed: ${modelFailure}`,
    },
    git,
    mcp(),
    { name: 'sandbox', status: sandbox.active ? 'ready' : 'disabled', message: sandbox.message },
  ]

  return {
    states,
    /** The emitter, with what passes through it noticed. */
    watch: (emitter: Emitter): Emitter => ({
      ...emitter,
      emit(...events) {
        events.forEach(notice)
        emitter.emit(...events)
      },
    }),
    /** Of this process alone. */
    health(redisReady: boolean, version: string): Health {
      const components: ComponentState[] = [
        ...states(),
        {
          name: 'redis',
          status: redisReady ? 'ready' : 'not_ready',
          message: redisReady ? 'connected' : 'Redis does not answer',
        },
      ]
      const bad = components.some((component) => component.status === 'not_ready')
      return {
        status: redisReady ? (bad ? 'degraded' : 'healthy') : 'unhealthy',
        components,
        version,
        uptime_s: Math.round(process.uptime()),
      }
    },
  }
}
