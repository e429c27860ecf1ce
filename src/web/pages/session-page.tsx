import { useCallback, useMemo } from 'react'
import { Link, useLocation } from 'wouter'
import { useClient } from '../access.tsx'
import { ConversationView } from '../conversation/conversation-view.tsx'
import { FollowingNote } from '../conversation/following-note.tsx'
import { useShortcuts } from '../state/shortcuts.ts'
import { useConversation } from '../state/use-conversation.ts'
import { useNow } from '../state/use-now.ts'
import { usePolled } from '../state/use-polled.ts'
import { useSessionActs } from '../state/use-session-acts.ts'
import { cost, tokens } from '../text/format.ts'
import { Ago, Problem, useTitle } from '../ui/bits.tsx'
import { Composer } from '../ui/composer.tsx'
import { Confirm } from '../ui/confirm.tsx'
import { Icon } from '../ui/icon.tsx'

const EVERY_MS = 3000

/** A session's whole conversation, live, over all its tasks. */
export const SessionPage = ({ id }: { id: string }) => {
  const client = useClient()
  const [, go] = useLocation()
  const { conversation, following } = useConversation(useMemo(() => ({ session: id }), [id]))
  const load = useCallback(
    async (signal: AbortSignal) => {
      // One message is enough: the conversation comes as events.
      const [session, spent] = await Promise.all([
        client.session(id, { limit: 1 }, { signal }),
        client.sessionCost(id, { signal }),
      ])
      return { session, spent }
    },
    [client, id],
  )
  const { data, error, refresh } = usePolled(load, EVERY_MS)
  const acts = useSessionActs({
    onForked: (forked) => go(`/sessions/${forked}`),
    onDeleted: () => go('/sessions'),
  })
  useShortcuts(useMemo(() => ({ u: () => go('/sessions') }), [go]))
  const session = data?.session
  const title = session?.title || id
  useTitle(title)
  const now = useNow(5000)

  return (
    <div className="reader">
      <div className="reader-head">
        <div className="title-row">
          <Link href="/sessions" className="button quiet" aria-label="Back to the sessions">
            <Icon name="back" />
          </Link>
          <h1 title={title}>{title}</h1>
          <button type="button" className="button" onClick={() => acts.fork(id)}>
            <Icon name="fork" />
            Fork
          </button>
          <button
            type="button"
            className="button danger"
            disabled={session === undefined}
            onClick={() => session && acts.askToDelete(session)}
          >
            <Icon name="bin" />
            Delete
          </button>
        </div>
        {data && (
          <dl className="facts">
            <div>
              <dt>Id</dt>
              <dd className="mono">{id}</dd>
            </div>
            <div>
              <dt>Tasks</dt>
              <dd>
                <Link href={`/?session=${id}`}>{data.session.task_count}</Link>
              </dd>
            </div>
            <div>
              <dt>Cost</dt>
              <dd title={data.spent.models.map(({ model }) => model).join(', ')}>
                {data.spent.cost_usd === undefined ? '–' : cost(data.spent.cost_usd)}
                {data.spent.estimated_cost_usd !== undefined &&
                  ` + ${cost(data.spent.estimated_cost_usd)} estimated`}
              </dd>
            </div>
            <div>
              <dt>Tokens</dt>
              <dd>{tokens(data.spent.total_tokens)}</dd>
            </div>
            <div>
              <dt>Last used</dt>
              <dd>
                <Ago at={data.session.updated_at} now={now} />
              </dd>
            </div>
          </dl>
        )}
        <Problem error={acts.error ?? (data === undefined ? error : undefined)} />
        <FollowingNote following={following} />
      </div>
      <ConversationView conversation={conversation} label="The session’s conversation" linkTasks />
      <div className="reader-foot">
        <Composer sessionId={id} onSubmitted={refresh} />
      </div>
      <Confirm question={acts.question} onClose={acts.close} />
    </div>
  )
}
