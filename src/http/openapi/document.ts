/** The OpenAPI document: the routes' own schemas, and what people want to know of each route. */
import { type CreateDocumentOptions, createDocument } from 'zod-openapi'
import { CostReport, SessionCost } from '../../schemas/cost.ts'
import { StopReason, TaskError, TokenUsage } from '../../schemas/event.ts'
import { ComponentState, Health, Probe, WorkerInfo } from '../../schemas/health.ts'
import { Presets } from '../../schemas/preset.ts'
import { ProblemDocument } from '../../schemas/problem.ts'
import {
  Session,
  SessionDeleting,
  SessionForked,
  SessionMessage,
  SessionSummary,
  Todo,
} from '../../schemas/session.ts'
import { DurableEvent, LiveFrame, LogTruncated } from '../../schemas/stream.ts'
import {
  CreateTask,
  Task,
  TaskCancelled,
  TaskCreated,
  TaskStats,
  TaskStatus,
  TaskSummary,
  TasksCancelled,
} from '../../schemas/task.ts'
import { Usage } from '../../schemas/usage.ts'
import { eventPaths } from './event-paths.ts'
import { fleetPaths } from './fleet-paths.ts'
import { sessionPaths } from './session-paths.ts'
import { taskPaths } from './task-paths.ts'

/** What has a name in the document; all else stands where it is used. */
const SHARED = {
  CreateTask,
  Task,
  TaskSummary,
  TaskCreated,
  TaskCancelled,
  TasksCancelled,
  TaskStats,
  TaskStatus,
  TaskError,
  StopReason,
  Usage,
  TokenUsage,
  DurableEvent,
  LiveFrame,
  LogTruncated,
  Session,
  SessionSummary,
  SessionMessage,
  SessionForked,
  SessionDeleting,
  Todo,
  SessionCost,
  CostReport,
  WorkerInfo,
  Health,
  ComponentState,
  Probe,
  Presets,
  ProblemDocument,
}

export const createApiDocument = ({ version }: { version: string }) =>
  createDocument(
    {
      openapi: '3.1.1',
      info: {
        title: 'ALEX',
        version,
        summary: 'LLM-agent tasks as durable workflows',
        description:
          'Submit a task, watch every step, cancel it when you like. Answers may gain fields; what is absent is left out, never null. Times are RFC 3339, durations milliseconds unless a name says otherwise. Every answer carries `X-Request-Id`, yours if you send one.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      security: [{ token: [] }, {}],
      tags: [
        { name: 'Tasks' },
        { name: 'Events' },
        { name: 'Sessions' },
        { name: 'Costs' },
        { name: 'Fleet' },
        { name: 'Operations' },
      ],
      paths: { ...taskPaths, ...eventPaths, ...sessionPaths, ...fleetPaths },
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            description: 'One of `api_tokens`; needed when there are any',
          },
        },
        schemas: SHARED,
      },
    },
    { override },
  )

/** What zod would say more than holds for clients of other versions, or more than people can read. */
const override: NonNullable<CreateDocumentOptions['override']> = ({ jsonSchema, io }) => {
  if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.format === 'date' || jsonSchema.format === 'date-time') delete jsonSchema.pattern
}
