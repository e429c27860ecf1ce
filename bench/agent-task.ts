/** A task as the agent is given it, for activations that run in a benchmark's own process. */
import type { AgentTask } from '../src/agent/agent.ts'
import type { TaskRecord } from '../src/tasks/record.ts'

export const agentTaskOf = (record: TaskRecord): AgentTask => ({
  task_id: record.id,
  session_id: record.session_id,
  task: record.task ?? record.head,
  agent_preset: record.agent_preset,
  tool_preset: record.tool_preset,
  models: [record.model],
  max_iterations: record.max_iterations,
  max_tokens: 4096,
  attempt: record.attempt,
  worker: 'bench',
  resume_reason: 'worker_lost',
})
