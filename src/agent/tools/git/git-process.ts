/** Runs one git operation under the guard: a request on stdin, an answer on stdout. See git-protocol.ts. */
import { mkdir } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { messageOf } from '../../../errors.ts'
import { inspect, type Place } from './changes.ts'
import { commit } from './commit-operation.ts'
import { type GitAnswer, GitRefused, GitRequest, type Operation } from './git-protocol.ts'
import { history } from './history-operation.ts'
import { openRepository } from './open-repository.ts'
import { propose } from './propose-operation.ts'

const run = (place: Place, operation: Operation): Promise<unknown> => {
  switch (operation.kind) {
    case 'history':
      return history(place.opened.git, operation.search)
    case 'inspect':
      return inspect(place)
    case 'commit':
      return commit(place, operation)
    case 'propose':
      return propose(place, operation)
  }
}

const answer = async (): Promise<GitAnswer> => {
  try {
    const { repository, scratch, operation } = GitRequest.parse(JSON.parse(await text(process.stdin)))
    await mkdir(scratch, { mode: 0o700 })
    const opened = await openRepository(repository, scratch)
    return { ok: true, value: await run({ opened, repository, scratch }, operation) }
  } catch (error) {
    // Git's own message is what the model can act upon.
    return { ok: false, refused: error instanceof GitRefused ? error.message : messageOf(error).trim() }
  }
}

process.stdout.write(JSON.stringify(await answer()))
