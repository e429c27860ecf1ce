/** Whether Redis keeps what it is given, and whether its clock and ours agree. */
import { Redis } from 'ioredis'
import { toolEnvironment } from '../../agent/tools/environment.ts'
import { findProgram } from '../../agent/tools/programs.ts'
import { type Config, childEnvironment } from '../../config.ts'
import { messageOf } from '../../errors.ts'
import { redisMissingMessage } from '../../supervisor/installing.ts'
import { clockFinding } from './clocks.ts'
import type { Finding } from './finding.ts'

const ANSWER_MS = 2000

/** The private Redis is set up by us: there it is enough that the program is installed. */
export const checkRedis = async ({ redis_url }: Config): Promise<Finding[]> => {
  if (redis_url === undefined) {
    const { PATH } = toolEnvironment(childEnvironment())
    const program = await findProgram(PATH, ['redis-server', 'valkey-server'])
    if (program !== undefined) return []
    const [message = '', remedy = ''] = redisMissingMessage().split('; ')
    return [problem(message, remedy)]
  }
  const redis = new Redis(redis_url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
  })
  // What a command says is only that the connection is closed.
  let why: unknown
  redis.on('error', (error) => {
    why ??= error
  })
  try {
    await redis.connect()
    const askedAt = Date.now()
    const [seconds, micros] = await redis.time()
    const offsetMs = (askedAt + Date.now()) / 2 - (Number(seconds) * 1000 + Number(micros) / 1000)
    return [
      ...settingsOf(await redis.info('memory'), await redis.info('persistence')),
      ...clockFinding('this machine', offsetMs),
    ]
  } catch (error) {
    return [problem(`does not answer: ${messageOf(why ?? error)}`, 'start it, or correct REDIS_URL')]
  } finally {
    redis.disconnect()
  }
}

/** What is found in its answers to INFO. */
const settingsOf = (memory: string, persistence: string): Finding[] => {
  const of = (info: string, name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
  const findings: Finding[] = []
  const policy = of(memory, 'maxmemory_policy')
  const limited = Number(of(memory, 'maxmemory') ?? 0) > 0
  if (limited && policy !== undefined && policy !== 'noeviction')
    findings.push(
      problem(
        `may evict tasks when its memory is full: maxmemory-policy is ${policy}`,
        'CONFIG SET maxmemory-policy noeviction, and in redis.conf',
      ),
    )
  if (of(persistence, 'aof_enabled') === '0')
    findings.push(
      problem(
        'keeps no append-only file: a restart loses tasks',
        'CONFIG SET appendonly yes, and in redis.conf',
      ),
    )
  if (of(persistence, 'aof_last_write_status') === 'err')
    findings.push(problem('cannot write its append-only file', 'look at its log and its disk'))
  return findings
}

const problem = (message: string, remedy: string): Finding => ({
  part: 'redis',
  level: 'problem',
  message,
  remedy,
})
