import { z } from 'zod'

const AgentPreset = z.object({ name: z.string(), description: z.string() })

/** With the names of the tools it lets a task use, and of those it does not. */
const ToolPreset = AgentPreset.extend({ allowed: z.array(z.string()), denied: z.array(z.string()) })

export const Presets = z.object({
  agent_presets: z.array(AgentPreset),
  tool_presets: z.array(ToolPreset),
})
export type Presets = z.infer<typeof Presets>
