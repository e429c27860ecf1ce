import { useEffect, useState } from 'react'
import type { StreamEvent } from '../../client/client.ts'
import { useClient } from '../access.tsx'
import { EMPTY, withEvents } from './conversation.ts'
import type { Conversation } from './items.ts'

/** Of the stream, not of the task. */
export type Following =
  | { state: 'connecting' | 'open' | 'ended' }
  /** It goes on by itself. */
  | { state: 'broken' }
  | { state: 'failed'; error: Error }

/** Events are shown together as often as a screen is drawn, also where a hidden page draws nothing. */
const FLUSH_MS = 32

/**
 * Follows a task to its end, or a session for as long as it is looked at; across restarts of the API.
 * Another task or session takes another component: the events of the one before stay.
 */
export const useConversation = (of: { task: string } | { session: string }) => {
  const client = useClient()
  const [conversation, setConversation] = useState<Conversation>(EMPTY)
  const [following, setFollowing] = useState<Following>({ state: 'connecting' })
  const task = 'task' in of ? of.task : undefined
  const session = 'session' in of ? of.session : undefined

  useEffect(() => {
    const stop = new AbortController()
    let waiting: StreamEvent[] = []
    let timer: ReturnType<typeof setTimeout> | undefined
    const flush = () => {
      clearTimeout(timer)
      timer = undefined
      const events = waiting
      waiting = []
      if (events.length > 0 && !stop.signal.aborted) setConversation((before) => withEvents(before, events))
    }
    const follow = async () => {
      const source = task === undefined ? { session: session ?? '' } : task
      try {
        const events = client.events(source, {
          signal: stop.signal,
          replay: 'all',
          onConnection: ({ state }) => setFollowing({ state }),
        })
        for await (const event of events) {
          waiting.push(event)
          timer ??= setTimeout(flush, FLUSH_MS)
        }
        flush()
        if (!stop.signal.aborted) setFollowing({ state: 'ended' })
      } catch (error) {
        if (stop.signal.aborted) return
        flush()
        setFollowing({ state: 'failed', error: error instanceof Error ? error : new Error(String(error)) })
      }
    }
    void follow()
    return () => {
      stop.abort(new Error('no longer wanted'))
      clearTimeout(timer)
    }
  }, [client, task, session])

  return { conversation, following }
}
