import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createWorkspaces } from '../../workers/workspaces.ts'

const newFolder = async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'alex-workspaces-')))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** As if nothing had come or gone for an hour. */
const settle = async (folder: string) => {
  const then = new Date(Date.now() - 3_600_000)
  await utimes(folder, then, then)
}

test('every session has a folder of its own, made when it is first used', async () => {
  const root = await newFolder()
  const workspaces = createWorkspaces({ root: join(root, 'made'), perSession: true })
  expect(await workspaces.of('s1')).toEqual({ path: join(root, 'made/s1'), bare: true })
  expect((await workspaces.of('s2')).path).toBe(join(root, 'made/s2'))
})

test.each(['.git', 'ALEX.md', 'AGENTS.md', 'CLAUDE.md'])(
  'a workspace with %s is not bare, from the moment it has it until it is gone',
  async (name) => {
    const root = await newFolder()
    const workspaces = createWorkspaces({ root, perSession: false })
    await settle(root)
    expect(await workspaces.of('s')).toMatchObject({ bare: true })
    // Known by now, and known to be as it was.
    expect(await workspaces.of('s')).toMatchObject({ bare: true })
    await writeFile(join(root, name), 'x')
    expect(await workspaces.of('s')).toMatchObject({ bare: false })
    await rm(join(root, name))
    expect(await workspaces.of('s')).toMatchObject({ bare: true })
  },
)

test('what comes within the coarsest of time stamps is seen all the same', async () => {
  const root = await newFolder()
  const workspaces = createWorkspaces({ root, perSession: false })
  const now = new Date()
  await utimes(root, now, now)
  expect(await workspaces.of('s')).toMatchObject({ bare: true })
  await writeFile(join(root, 'AGENTS.md'), 'x')
  await utimes(root, now, now)
  expect(await workspaces.of('s')).toMatchObject({ bare: false })
})

test('a link that leads elsewhere by now is followed to there', async () => {
  const root = await newFolder()
  const link = join(root, 'current')
  for (const name of ['one', 'two']) {
    await mkdir(join(root, name))
    await settle(join(root, name))
  }
  await symlink(join(root, 'one'), link)
  const workspaces = createWorkspaces({ root: link, perSession: false })
  expect((await workspaces.of('s')).path).toBe(join(root, 'one'))
  await rm(link)
  await symlink(join(root, 'two'), link)
  expect((await workspaces.of('s')).path).toBe(join(root, 'two'))
})
