/** The repository a case works in: made anew for each run, and looked at afterwards. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import type { EvalCase, Files } from './case.ts'

const run = promisify(execFile)

/** Of what the check itself starts. */
const TIMEOUT_MS = 20_000
const SHOWN_CHARS = 300
/** Said last by a check that came to its end. */
const DONE = 'all of it was checked'

/** The same commit ids in every run; nothing of the user's own configuration. */
const GIT_ENV = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_DATE: '2026-01-05T09:00:00Z',
  GIT_COMMITTER_DATE: '2026-01-05T09:00:00Z',
}
const GIT_OPTIONS = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null']

export interface Workspace {
  /** The commit the case began with. */
  head: string
  /** Undefined when there is no such file. */
  read: (path: string) => Promise<string | undefined>
  /** Paths whose content is another than at the start, those made and those gone included; by name. */
  changed: () => Promise<string[]>
  git: (...args: string[]) => Promise<string>
  /** Imports relative to the workspace. The end of what it said when it failed. */
  node: (source: string) => Promise<string | undefined>
}

export const createWorkspace = async (folder: string, evalCase: EvalCase): Promise<Workspace> => {
  const { files, changes = {}, branch = 'main' } = evalCase
  await mkdir(folder, { recursive: true })
  const root = await realpath(folder)
  const env = { PATH: process.env['PATH'], ...GIT_ENV }
  const git = async (...args: string[]) => {
    const { stdout } = await run('git', [...GIT_OPTIONS, ...args], { cwd: root, env, timeout: TIMEOUT_MS })
    return stdout.trim()
  }
  await write(root, files)
  await git('init', '--quiet', '--initial-branch', branch)
  await git('config', 'user.name', 'Robin Field')
  await git('config', 'user.email', 'robin@example.com')
  await git('add', '--all')
  await git('commit', '--quiet', '--message', 'Begin')
  await write(root, changes)
  const head = await git('rev-parse', 'HEAD')
  const before = await contentsOf(root)

  return {
    head,
    git,
    read: (path) => readFile(join(root, path), 'utf8').catch(() => undefined),
    async changed() {
      const after = await contentsOf(root)
      const paths = new Set([...before.keys(), ...after.keys()])
      return [...paths].filter((path) => before.get(path) !== after.get(path)).toSorted()
    },
    async node(source) {
      // What runs here was written by a model: it may read its workspace, but nothing else, and start nothing.
      const confined = ['--permission', `--allow-fs-read=${root}`, '--input-type=module']
      const checked = ['--eval', `${source}\nconsole.log(${JSON.stringify(DONE)})`]
      try {
        const options = { cwd: root, env: {}, timeout: TIMEOUT_MS }
        const { stdout } = await run(process.execPath, [...confined, ...checked], options)
        return stdout.trimEnd().endsWith(DONE) ? undefined : 'it ended the process before all was checked'
      } catch (error) {
        return reasonOf(error)
      }
    },
  }
}

const write = async (root: string, files: Files) => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}

const contentsOf = async (root: string): Promise<Map<string, string>> => {
  const entries = await readdir(root, { withFileTypes: true, recursive: true })
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(root, path).startsWith('.git/'))
  const texts = await Promise.all(paths.map((path) => readFile(path, 'latin1').catch(() => 'unreadable')))
  return new Map(paths.map((path, i) => [relative(root, path), texts[i] ?? '']))
}

const reasonOf = (error: unknown): string => {
  const said = error as { stderr?: string; stdout?: string; killed?: boolean; message?: string }
  if (said.killed === true) return `not done within ${TIMEOUT_MS / 1000} s`
  const text = `${said.stdout ?? ''}\n${said.stderr ?? ''}`.trim()
  const line = text.split('\n').find((each) => /error/i.test(each)) ?? said.message ?? ''
  return line.trim().slice(0, SHOWN_CHARS)
}
