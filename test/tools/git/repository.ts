/** A real repository as a fixture's workspace, with a home of its own that holds the user's configuration. */
import { execFile } from 'node:child_process'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createFixture, type Fixture, type FixtureOptions } from '../support/fixture.ts'

export interface RepositoryFixture extends Fixture {
  home: string
  /** Plain git as the user runs it, for setting up and for looking. */
  git(...args: string[]): Promise<string>
}

/** One commit, `first`, of the file `a.txt`, on the branch `main`. */
export const createRepository = async (options: FixtureOptions = {}): Promise<RepositoryFixture> => {
  const home = await realpath(await mkdtemp(join(tmpdir(), 'alex-home-')))
  await writeFile(join(home, '.gitconfig'), '[user]\n\tname = Ada\n\temail = ada@example.org\n')
  const env = { PATH: '/usr/bin:/bin', HOME: home, ...options.env }
  const fixture = await createFixture({ git: {}, ...options, env })
  const git = async (...args: string[]) => {
    const run = promisify(execFile)('git', args, {
      cwd: fixture.workspace,
      env: { PATH: '/usr/bin:/bin', HOME: home },
    })
    return (await run).stdout.trim()
  }
  await git('init', '--quiet', '--initial-branch=main')
  await fixture.write('a.txt', 'one\n')
  await git('add', 'a.txt')
  await git('commit', '--quiet', '--message=first')
  return {
    ...fixture,
    home,
    git,
    [Symbol.asyncDispose]: async () => {
      await fixture[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true })
    },
  }
}
