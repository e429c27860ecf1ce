/** Pushes the branch and opens a pull request. The only git operation that goes online. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { z } from 'zod'
import { messageOf } from '../../../errors.ts'
import type { Place } from './changes.ts'
import { GitRefused, type Operation, type Proposed } from './git-protocol.ts'

type ProposeRequest = Extract<Operation, { kind: 'propose' }>

export const propose = async (
  { opened, scratch }: Place,
  request: ProposeRequest,
): Promise<z.infer<typeof Proposed>> => {
  const { git } = opened
  const branch = (await git.raw(['symbolic-ref', '--quiet', '--short', 'HEAD'])).trim()
  if (branch === '') throw new GitRefused('HEAD is detached: a pull request needs a branch')
  const remote = await remoteOf(git)
  const online = opened.online(request.credentials)
  const heads = readHeads(await online.raw(['ls-remote', '--symref', remote.url]))
  const base = request.base ?? heads.main
  if (base === undefined) throw new GitRefused(`${remote.name} names no default branch: give the base`)
  if (base === branch)
    throw new GitRefused(`base and head are the same branch, ${branch}: commit to a branch of its own first`)
  const baseHash = heads.branches.get(base)
  if (baseHash === undefined) throw new GitRefused(`${remote.name} has no branch ${base}`)
  const commits = await commitsSince(git, baseHash)
  if (commits?.length === 0) throw new GitRefused(`${branch} has no commit that ${base} does not have`)

  // To the address, not the name: nothing of the repository is written, not even where the remote stands.
  await online.push(remote.url, `refs/heads/${branch}:refs/heads/${branch}`)
  const title = request.title ?? (commits?.length === 1 ? commits[0] : undefined) ?? titleOf(branch)
  const body = (commits ?? []).map((subject) => `- ${subject}`).join('\n')
  const created = await createPullRequest({ request, scratch, slug: remote.slug, branch, base, title, body })
  return { ...created, branch, base }
}

type Git = Place['opened']['git']

/** `origin`, or the only one. A path is none: pushing to it would run hooks that a call may have written. */
const remoteOf = async (git: Git): Promise<{ name: string; url: string; slug: string }> => {
  const remotes = await git.getRemotes(true)
  const remote =
    remotes.find(({ name }) => name === 'origin') ?? (remotes.length === 1 ? remotes[0] : undefined)
  if (remote === undefined) throw new GitRefused('there is no remote origin to push to')
  const { name, refs } = remote
  const slug = slugOf(refs.fetch)
  if (slug === undefined) throw new GitRefused(`the remote ${name} is not a repository on a GitHub host`)
  if (slugOf(refs.push) !== slug)
    throw new GitRefused(`the remote ${name} pushes elsewhere than it fetches from`)
  return { name, url: refs.push, slug }
}

/** `host/owner/name`, as gh takes it. */
const slugOf = (url: string): string | undefined => {
  const [, host, path] =
    /^(?:https?|ssh):\/\/(?:[^@/]+@)?(\w[\w.-]*)(?::\d+)?\/(.+)$/.exec(url) ??
    /^(?:\w[\w.-]*@)?(\w[\w.-]*):(?!\/)(.+)$/.exec(url) ??
    []
  const [, owner, name] = /^([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(path ?? '') ?? []
  return host === undefined || owner === undefined || name === undefined
    ? undefined
    : `${host}/${owner}/${name}`
}

const readHeads = (listed: string) => {
  const branches = new Map<string, string>()
  let main: string | undefined
  for (const line of listed.split('\n')) {
    const [, symbolic] = /^ref: refs\/heads\/(\S+)\tHEAD$/.exec(line) ?? []
    const [, hash, branch] = /^([0-9a-f]+)\trefs\/heads\/(\S+)$/.exec(line) ?? []
    main ??= symbolic
    if (hash !== undefined && branch !== undefined) branches.set(branch, hash)
  }
  return { main, branches }
}

const MAX_LISTED = 50

/** Subjects, oldest first; undefined when the base's last commit is not known here. */
const commitsSince = async (git: Git, hash: string): Promise<string[] | undefined> => {
  try {
    const listed = await git.raw([
      'log',
      '--reverse',
      '--format=%s',
      `--max-count=${MAX_LISTED}`,
      `${hash}..HEAD`,
    ])
    return listed.split('\n').filter((subject) => subject !== '')
  } catch {
    return undefined
  }
}

/** As gh itself does it. */
const titleOf = (branch: string): string => {
  const words = (branch.split('/').at(-1) ?? branch).replaceAll(/[-_]+/g, ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

interface PullRequest {
  request: ProposeRequest
  scratch: string
  slug: string
  branch: string
  base: string
  title: string
  body: string
}

/** Outside the repository: gh asks git, and that git would follow the repository's configuration. */
const createPullRequest = async ({ request, scratch, slug, branch, base, title, body }: PullRequest) => {
  const args = [`--repo=${slug}`, `--head=${branch}`, `--base=${base}`, `--title=${title}`, `--body=${body}`]
  const env = {
    // oxlint-disable-next-line node/no-process-env -- given by the guard, an allow-list with its markers
    ...process.env,
    ...request.credentials,
    GH_PROMPT_DISABLED: '1',
    GH_NO_UPDATE_NOTIFIER: '1',
    NO_COLOR: '1',
  }
  const said = await promisify(execFile)(request.gh, ['pr', 'create', ...args], { cwd: scratch, env }).then(
    ({ stdout }) => ({ url: urlIn(stdout), existed: false, message: stdout }),
    (error: unknown) => {
      const message = outputOf(error)
      return { url: /already exists/.test(message) ? urlIn(message) : undefined, existed: true, message }
    },
  )
  if (said.url === undefined)
    throw new GitRefused(`${branch} was pushed, but gh did not open a pull request:\n${said.message.trim()}`)
  return { url: said.url, existed: said.existed }
}

const urlIn = (output: string): string | undefined => output.match(/https?:\/\/\S+\/pull\/\d+/g)?.at(-1)

const outputOf = (error: unknown): string =>
  error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' && error.stderr !== ''
    ? error.stderr
    : messageOf(error)
