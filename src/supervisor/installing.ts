/** How what is missing is installed here. */
import { spawnSync } from 'node:child_process'

/** In the order in which they are looked for; brew wants no root. */
const COMMANDS = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  apk: 'apk add',
  brew: 'brew install',
}
type Manager = keyof typeof COMMANDS

/** A package's name, by manager where it has another one there. */
type Package = Partial<Record<Manager, string>> & { name: string }

/** What to type; undefined where no package manager that we know is there. */
export const installCommand = (wanted: Package): string | undefined => {
  const script = `for m in ${Object.keys(COMMANDS).join(' ')}; do command -v $m >/dev/null && echo $m && exit; done`
  const found = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).stdout?.trim()
  const manager = Object.keys(COMMANDS).find((each): each is Manager => each === found)
  if (manager === undefined) return undefined
  const sudo = manager === 'brew' || process.getuid?.() === 0 ? '' : 'sudo '
  return `${sudo}${COMMANDS[manager]} ${wanted[manager] ?? wanted.name}`
}

/** What to type where neither redis-server nor valkey-server is installed. */
export const redisMissingMessage = (): string => {
  const command = installCommand({ name: 'redis', 'apt-get': 'redis-server', dnf: 'valkey' })
  const how = command === undefined ? 'install Redis or Valkey' : `run: ${command}`
  return `neither redis-server nor valkey-server is installed; ${how} (or set REDIS_URL to a server you have)`
}
