import { spawnSync } from 'node:child_process'
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { tempFolder } from '../config/temp.ts'

const DEPLOY = resolve(import.meta.dirname, '../../deploy.sh')
const ALWAYS_THERE = ['bash', 'cat', 'cksum', 'dirname', 'mkdir', 'chmod']

/** A checkout that holds only deploy.sh, on a system that holds only what it is given. Every call is recorded. */
const bareSystem = async (commands: Record<string, string>) => {
  const folder = await tempFolder()
  const bin = join(folder.path, 'bin')
  const checkout = join(folder.path, 'checkout')
  await mkdir(bin)
  await mkdir(checkout)
  await copyFile(DEPLOY, join(checkout, 'deploy.sh'))
  await writeFile(join(checkout, 'package.json'), '{}')
  await writeFile(join(checkout, 'package-lock.json'), '{}')
  const add = async (name: string, script: string) => {
    await writeFile(join(bin, name), `#!/bin/bash\necho "${name} $*" >>"${folder.path}/calls"\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  for (const name of ALWAYS_THERE) {
    const { stdout } = spawnSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' })
    await symlink(stdout.trim(), join(bin, name))
  }
  for (const [name, script] of Object.entries(commands)) await add(name, script)
  return {
    checkout,
    deploy(...args: string[]) {
      const env = { PATH: bin, HOME: folder.path, BIN: bin }
      return spawnSync(join(bin, 'bash'), [join(checkout, 'deploy.sh'), ...args], { env, encoding: 'utf8' })
    },
    calls: async () => (await readFile(join(folder.path, 'calls'), 'utf8').catch(() => '')).split('\n'),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
}

/** Puts an empty command for each package into the folder of commands. */
const INSTALLS = `
for package in "$@"; do
  case $package in
    redis | redis-server | valkey) name=redis-server ;; ripgrep) name=rg ;; bubblewrap) name=bwrap ;; *) name=$package ;;
  esac
  printf '#!/bin/bash\\n' >"$BIN/$name"
  chmod 755 "$BIN/$name"
done`
const NPM = `
mkdir -p node_modules/.bin
printf '#!/bin/bash\\necho "node $*"\\n' >node_modules/.bin/node
chmod 755 node_modules/.bin/node`
const ROOT_ON_LINUX = { id: 'echo 0', uname: 'echo Linux' }
const TOOLS = { git: '', rg: '', jq: '', curl: '', bwrap: '' }
const of = (calls: string[], name: string) => calls.filter((call) => call.startsWith(`${name} `))

test('what is missing is installed once, by the package names of the system', async () => {
  await using system = await bareSystem({ ...ROOT_ON_LINUX, npm: NPM, git: '', apk: INSTALLS })
  expect(system.deploy('start')).toMatchObject({ status: 0, stdout: 'node src/cli/main.ts start\n' })
  expect(of(await system.calls(), 'apk')).toEqual(['apk add --no-cache redis ripgrep jq curl bubblewrap'])
  expect(system.deploy('start').status).toBe(0)
  expect(of(await system.calls(), 'apk')).toHaveLength(1)
  expect(of(await system.calls(), 'npm')).toHaveLength(1)
})

test('Node packages are installed again when their list has changed', async () => {
  await using system = await bareSystem({ ...ROOT_ON_LINUX, ...TOOLS, npm: NPM, 'valkey-server': '' })
  system.deploy('start')
  await writeFile(join(system.checkout, 'package-lock.json'), '{"changed":1}')
  system.deploy('start')
  system.deploy('start')
  expect(of(await system.calls(), 'npm')).toHaveLength(2)
})

test('a package that cannot be had does not keep the others away', async () => {
  const apk = `case " $* " in *bubblewrap*) exit 1 ;; esac${INSTALLS}`
  await using system = await bareSystem({ ...ROOT_ON_LINUX, npm: NPM, git: '', jq: '', curl: '', apk })
  const started = system.deploy('start')
  expect(started).toMatchObject({ status: 0, stderr: expect.stringContaining('without bubblewrap') })
  expect(of(await system.calls(), 'apk').map((call) => call.split(' ').slice(3).join(' '))).toEqual([
    'redis ripgrep bubblewrap',
    'redis',
    'ripgrep',
    'bubblewrap',
  ])
})

test('who may not become root is told what to have installed; only Redis is indispensable', async () => {
  const user = { id: 'echo 1000', uname: 'echo Linux', npm: NPM, apk: INSTALLS }
  await using without = await bareSystem({ ...user, ...TOOLS })
  const refused = without.deploy('start')
  expect(refused.status).toBe(1)
  expect(refused.stderr).toMatch(/let somebody install redis \(apk\)[\s\S]*needs redis-server/)
  expect(of(await without.calls(), 'apk')).toEqual([])

  await using minimal = await bareSystem({ ...user, 'redis-server': '' })
  expect(minimal.deploy('start').status).toBe(0)
})

test('stop, status and logs install nothing to find that nothing runs', async () => {
  await using system = await bareSystem({ ...ROOT_ON_LINUX, npm: NPM, apk: INSTALLS })
  expect(system.deploy('stop')).toMatchObject({ status: 0, stdout: 'ALEX is not running\n' })
  expect(system.deploy('status').status).toBe(3)
  expect(system.deploy('logs').status).toBe(0)
  expect(await system.calls()).toEqual([''])
})

test('an unknown command shows how to use it and leaves with 2', async () => {
  await using system = await bareSystem({})
  expect(system.deploy('sotp')).toMatchObject({ status: 2, stderr: expect.stringContaining('usage') })
})
