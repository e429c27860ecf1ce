import type { Following } from '../state/use-conversation.ts'

/** Says when the page is not up to date, and that nothing has to be done about it. */
export const FollowingNote = ({ following }: { following: Following }) => {
  if (following.state === 'broken')
    return (
      <p className="banner warning" role="status">
        The connection is lost; it goes on where it was as soon as the API answers.
      </p>
    )
  if (following.state === 'failed')
    return (
      <p className="banner bad" role="alert">
        {following.error.message}
      </p>
    )
  return null
}
