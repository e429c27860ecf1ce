/** Load as it comes from many clients: as fast as it goes, or at a rate whether or not what came before is done. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from './client.ts'

export interface Target {
  client: Client
  completed: () => Promise<number>
}

const POSTS_AT_ONCE = 32

/** Submits so many tasks; returns the seconds from the first POST until they are done. */
export const secondsFor = async ({ client, completed }: Target, tasks: number): Promise<number> => {
  const before = await completed()
  const began = performance.now()
  let left = tasks
  const post = async () => {
    while (left > 0) {
      left -= 1
      await client.submit()
    }
  }
  await Promise.all(Array.from({ length: POSTS_AT_ONCE }, post))
  while ((await completed()) < before + tasks) await pause(20)
  return (performance.now() - began) / 1000
}

/** Tasks a second at most. */
export const capacityOf = async (target: Target, tasks: number): Promise<number> =>
  tasks / (await secondsFor(target, tasks))

/** Submits at a rate for some seconds; returns how long each POST took until its answer, in ms. */
export const submitAt = async (client: Client, rate: number, seconds: number): Promise<number[]> => {
  const took: number[] = []
  const posts: Promise<void>[] = []
  const post = async () => {
    const began = performance.now()
    await client.submit()
    took.push(performance.now() - began)
  }
  const began = performance.now()
  for (let sent = 0; sent < rate * seconds; sent += 1) {
    const waitMs = began + (sent / rate) * 1000 - performance.now()
    if (waitMs > 1) await pause(waitMs)
    posts.push(post())
  }
  await Promise.all(posts)
  return took
}
