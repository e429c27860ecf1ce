import { execFileSync } from 'node:child_process'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AGENT_PRESETS } from '../../src/agent/presets.ts'
import { renderSystemPrompt } from '../../src/agent/prompts/system-prompt.ts'
import { createFixture, type Fixture } from './support/fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
})
afterEach(() => fixture[Symbol.asyncDispose]())

const render = (preset = 'default', workspace = fixture.workspace): Promise<string> =>
  renderSystemPrompt({
    preset,
    workspace,
    closedDirs: [join(workspace, 'state')],
    tools: ['grep', 'bash'],
    now: new Date('2025-03-04T05:06:07Z'),
  })

describe('the system prompt', () => {
  it('reads out no instructions that a link leads to in a closed place', async () => {
    await fixture.write('state/mcp.json', 'a token')
    await symlink('state/mcp.json', join(fixture.workspace, 'ALEX.md'))
    expect(await render()).not.toContain('a token')
  })

  it.each(AGENT_PRESETS.map(({ name }) => name))(
    'of %s is its own and has every hole filled',
    async (preset) => {
      const prompt = await render(preset)
      expect(prompt).toMatch(/^You are ALEX/)
      expect(prompt).toContain(fixture.workspace)
      expect(prompt).toContain('2025-03-04')
      expect(prompt).toContain('grep, bash')
      expect(prompt).toContain('not a git repository')
      expect(prompt).not.toMatch(/\{\{|\}\}/)
    },
  )

  it('differs between presets', async () => {
    const prompts = await Promise.all(AGENT_PRESETS.map(({ name }) => render(name)))
    expect(new Set(prompts).size).toBe(AGENT_PRESETS.length)
  })

  it('names the branch without running git', async () => {
    execFileSync('git', ['init', '-q', '-b', 'feature/x', fixture.workspace])
    expect(await render()).toContain('a git repository, on branch feature/x')
    await fixture.write('.git/HEAD', 'a'.repeat(40))
    expect(await render()).toContain('detached at aaaaaaaaaaaa')
    await fixture.write('.git/HEAD', 'SECRET=1')
    expect(await render()).toContain('not a git repository')
  })

  it('quotes the first instructions file, cut to 8 000 characters, its holes left alone', async () => {
    await fixture.write('CLAUDE.md', 'from claude')
    await fixture.write('AGENTS.md', `Use tabs. {{tools}} $& ${'x'.repeat(20_000)} end`)
    const prompt = await render()
    expect(prompt).toContain('Use tabs. {{tools}} $& xxx')
    expect(prompt).toContain('[cut; read AGENTS.md for the rest]')
    expect(prompt).not.toMatch(/from claude|x end/)
    await fixture.write('ALEX.md', 'from alex')
    expect(await render()).toContain('from alex')
  })

  it('reads no instructions through a symlink out of the workspace', async () => {
    await writeFile(join(fixture.root, 'private'), 'outside secret')
    await symlink('../private', join(fixture.workspace, 'ALEX.md'))
    await fixture.write('AGENTS.md', 'from agents')
    const prompt = await render()
    expect(prompt).not.toContain('outside secret')
    expect(prompt).toContain('from agents')
  })

  it('is rendered for a workspace that does not exist and a preset that is unknown', async () => {
    expect(await render('../shared', '/no/such/place')).toContain('You are ALEX, an agent')
  })
})
