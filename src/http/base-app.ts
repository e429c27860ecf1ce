import { Hono } from 'hono'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { type Access, bearerToken, knownHost, sameOrigin } from './access.ts'
import { answerHeaders } from './answer-headers.ts'
import { answerUnrouted } from './not-found.ts'
import { observed } from './observed.ts'
import { answerErrors } from './problem.ts'
import { type ApiEnv, requestId } from './request-id.ts'

export interface BaseDeps {
  access: Access
  /** Masks configured secrets. */
  redact: (text: string) => string
  log: Log
  metrics: Metrics
}

/** What every HTTP server of ALEX does with every request; its routes are added by the caller. */
export const createBaseApp = ({ access, redact, log, metrics }: BaseDeps): Hono<ApiEnv> => {
  const app = new Hono<ApiEnv>()
  app.use(
    requestId,
    observed({ log, metrics }),
    answerHeaders,
    knownHost(access),
    sameOrigin(access),
    bearerToken(access),
  )
  app.onError(answerErrors({ redact, log }))
  app.notFound(answerUnrouted(app))
  return app
}
