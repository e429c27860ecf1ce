import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { MirrorUnreadable, readMirror, readMirrorHead } from '../../src/tasks/mirror-file.ts'
import { openKeeper } from '../support/keep.ts'
import { newSession, runTask, step } from '../support/sse.ts'

const writtenMirror = async () => {
  const keeper = await openKeeper()
  const session = newSession()
  const task = await runTask(keeper.store, session, `a\u2028b ${'long '.repeat(100_000)}`)
  await task.append(step(1), step(2))
  await task.finish()
  await keeper.lookAt(session)
  return { file: keeper.folder.mirror(session), session }
}

const partsOf = async (file: string) => {
  const kinds: string[] = []
  for await (const part of readMirror(file)) kinds.push(part.kind)
  return kinds
}

test('a mirror is read part by part, its head alone without the rest', async () => {
  const { file, session } = await writtenMirror()
  expect(await partsOf(file)).toEqual(['head', 'todos', 'task', 'event', 'event', 'event', 'event', 'event'])
  await writeFile(file, (await readFile(file, 'utf8')).split('\n').slice(0, 2).join('\n'))
  expect(await readMirrorHead(file)).toMatchObject({ session_id: session, task_count: 1 })
})

test.each<[string, (text: string) => string]>([
  ['cut off in its last line', (text) => text.slice(0, -4)],
  ['cut off between two lines', (text) => text.split('\n').slice(0, 6).join('\n')],
  ['without one of its events', (text) => text.replace(/\{"id":[^\n]*"type":"iteration_start"[^\n]*\n/, '')],
  ['empty', () => ''],
  ['no JSON', () => 'what is this?\n'],
  ['JSON of another form', (text) => JSON.stringify(JSON.parse(text), null, 2)],
  ['of a later release', (text) => text.replace('{"v":1', '{"v":2')],
  ['continued after its end', (text) => `${text}{}\n`],
])('a mirror %s is refused, with the line that is wrong', async (_, spoil) => {
  const { file } = await writtenMirror()
  await writeFile(file, spoil(await readFile(file, 'utf8')))
  const reading = partsOf(file)
  await expect(reading).rejects.toBeInstanceOf(MirrorUnreadable)
  await expect(reading).rejects.toThrow(/line \d+ of /)
})

test('a file that is not there is refused as well', async () => {
  const { file } = await writtenMirror()
  await expect(readMirrorHead(`${file}.none`)).rejects.toThrow('ENOENT')
})
