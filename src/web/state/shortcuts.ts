/** Keys without a modifier, told apart from typing. They can be switched off (WCAG 2.1.4). */
import { useEffect, useSyncExternalStore } from 'react'

const STORED = 'alex.single-keys'
const listeners = new Set<() => void>()

export const singleKeysOn = (): boolean => localStorage.getItem(STORED) !== 'off'

export const useSingleKeys = (): [boolean, (on: boolean) => void] => {
  const on = useSyncExternalStore((changed) => {
    listeners.add(changed)
    return () => listeners.delete(changed)
  }, singleKeysOn)
  return [
    on,
    (wanted) => {
      localStorage.setItem(STORED, wanted ? 'on' : 'off')
      for (const changed of listeners) changed()
    },
  ]
}

/** By key; a pair such as `g t` is two keys within a second. */
export type Shortcuts = Readonly<Record<string, () => void>>

const PAIR_MS = 1000

export const useShortcuts = (shortcuts: Shortcuts): void => {
  useEffect(() => {
    let first: { key: string; at: number } | undefined
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !singleKeysOn()) return
      if (isTyping(event.target) || document.querySelector('[role=dialog],[role=alertdialog]')) return
      const pair = first && event.timeStamp - first.at < PAIR_MS ? `${first.key} ${event.key}` : ''
      const act = shortcuts[pair] ?? shortcuts[event.key]
      first = { key: event.key, at: event.timeStamp }
      if (act === undefined) return
      event.preventDefault()
      act()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [shortcuts])
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    target.matches(
      'input:not([type=checkbox]), textarea, select, [role=combobox], [role=listbox], [role=option]',
    ))
