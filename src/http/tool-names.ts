/** Which tools a worker has, by preset, without any of them: nothing runs in the API. */
import type { Toolbox } from '../agent/agent.ts'

/** Loads the tools when it is asked first, so that no start waits for them. `git`: those for git too. */
export const toolNames = async ({ git }: { git: boolean }): Promise<Toolbox['names']> => {
  const [{ createToolbox }, { createSandbox }, { gitTools }] = await Promise.all([
    import('../agent/tools/registry.ts'),
    import('../agent/tools/sandbox.ts'),
    import('../agent/tools/git/git-tools.ts'),
  ])
  const nowhere = { closedDirs: [], env: {} }
  const options = {
    ...nowhere,
    sandbox: await createSandbox({ ...nowhere, mode: 'off', network: 'none' }),
  }
  const further = git ? gitTools({ ...options, flock: '', credentials: {} }) : []
  return createToolbox({ ...options, further }).names
}
