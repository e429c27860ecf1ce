/** The one client of the page, and the token it sends: asked for when the API wants one, kept in memory alone. */
import { createContext, type ReactNode, useContext, useState } from 'react'
import { type AlexClient, createClient } from '../client/client.ts'
import { TokenDialog } from './ui/token-dialog.tsx'

const ClientContext = createContext<AlexClient | null>(null)

export const useClient = (): AlexClient => {
  const client = useContext(ClientContext)
  if (client === null) throw new Error('useClient needs an Access around it')
  return client
}

/** `onRefused` hears of answers that want a token, or another one. */
const createTokenClient = (onRefused: (how: 'yes' | 'again') => void) => {
  let token: string | undefined
  const client = createClient({
    baseUrl: '',
    token: () => token,
    fetch: async (...request) => {
      const sent = token
      const response = await fetch(...request)
      // An answer to an older token says nothing of the present one.
      if (response.status === 401 && sent === token) onRefused(sent === undefined ? 'yes' : 'again')
      return response
    },
  })
  return {
    client,
    give: (given: string) => {
      token = given
    },
  }
}

export const Access = ({ children }: { children: ReactNode }) => {
  const [wanted, setWanted] = useState<'no' | 'yes' | 'again'>('no')
  const [generation, setGeneration] = useState(0)
  const [{ client, give }] = useState(() => createTokenClient(setWanted))

  const onToken = (token: string) => {
    give(token)
    setWanted('no')
    // Whatever was refused asks anew.
    setGeneration((before) => before + 1)
  }
  return (
    <ClientContext value={client}>
      <div key={generation} className="shell">
        {children}
      </div>
      {wanted !== 'no' && <TokenDialog refused={wanted === 'again'} onToken={onToken} />}
    </ClientContext>
  )
}
