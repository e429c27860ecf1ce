/** Of a task's record, where a test does not care which. */
export const TASK_FIELDS = {
  task: 'look around',
  head: 'look around',
  agent_preset: 'default',
  tool_preset: 'full',
  model: 'm',
  max_iterations: '10',
  timeout_s: '3600',
  priority: '5',
}
