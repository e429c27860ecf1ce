import type { CreateTask } from '../../client/client.ts'

/** The composer's fields as typed; empty is the server's default. */
export interface Wishes {
  agent: string
  tools: string
  model: string
  iterations: string
  tokens: string
  usd: string
}

/** What the server is asked for; it judges the numbers. */
export const taskOf = (text: string, wishes: Wishes, sessionId?: string): CreateTask => {
  const { agent, tools, model, iterations, tokens, usd } = wishes
  return {
    task: text,
    ...(sessionId !== undefined && { session_id: sessionId }),
    ...(agent !== '' && { agent_preset: agent }),
    ...(tools !== '' && { tool_preset: tools }),
    ...(model.trim() !== '' && { model: model.trim() }),
    ...(iterations.trim() !== '' && { max_iterations: Number(iterations) }),
    ...(tokens.trim() !== '' && { max_total_tokens: Number(tokens) }),
    ...(usd.trim() !== '' && { max_cost_usd: Number(usd) }),
  }
}
