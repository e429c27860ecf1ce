import { spawnSync } from 'node:child_process'

/** In the order in which they are looked for; brew wants no root. */
const COMMANDS = {
  'apt-get': 'apt-get install -y redis-server',
  dnf: 'dnf install -y valkey',
  apk: 'apk add redis',
  brew: 'brew install redis',
}

/** What to type where neither redis-server nor valkey-server is installed. */
export const redisMissingMessage = (): string => {
  const script = `for m in ${Object.keys(COMMANDS).join(' ')}; do command -v $m >/dev/null && echo $m && exit; done`
  const found = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).stdout.trim()
  const command = Object.entries(COMMANDS).find(([manager]) => manager === found)?.[1]
  const sudo = found === 'brew' || process.getuid?.() === 0 ? '' : 'sudo '
  const how = command === undefined ? 'install Redis or Valkey' : `run: ${sudo}${command}`
  return `neither redis-server nor valkey-server is installed; ${how} (or set REDIS_URL to a server you have)`
}
