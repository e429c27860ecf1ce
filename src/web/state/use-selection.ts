import { useCallback, useMemo, useState } from 'react'

/** Which of these are selected; what leaves the list leaves the selection. */
export const useSelection = (ids: readonly string[] | undefined) => {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const selected = useMemo(
    () => (ids === undefined ? chosen : new Set(ids.filter((id) => chosen.has(id)))),
    [ids, chosen],
  )
  const toggle = useCallback(
    (id: string) =>
      setChosen((before) => {
        const after = new Set(before)
        if (!after.delete(id)) after.add(id)
        return after
      }),
    [],
  )
  const setAll = useCallback((all: readonly string[]) => setChosen(new Set(all)), [])
  const clear = useCallback(() => setChosen(new Set()), [])
  return { selected, toggle, setAll, clear }
}
