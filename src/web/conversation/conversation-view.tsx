import { useVirtualizer } from '@tanstack/react-virtual'
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { Conversation, Item } from '../state/items.ts'
import { useShortcuts } from '../state/shortcuts.ts'
import { Icon } from '../ui/icon.tsx'
import { ItemView } from './item-view.tsx'

/** Pixels from the end within which the view follows what is added. */
const NEAR_END = 48
const KEY_STEP = 160

/** Thousands of items, of which only those in sight are in the page; it stays at the end while one is there. */
export const ConversationView = ({
  conversation: { items },
  label,
  of,
  linkTasks = false,
}: {
  conversation: Conversation
  label: string
  /** The task that is shown alone. */
  of?: string
  /** Each prompt links to its task. */
  linkTasks?: boolean
}) => {
  const scroller = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const [atEnd, setAtEnd] = useState(true)
  // Here and not in the card, which leaves the page when it is out of sight.
  const [opened, setOpened] = useState<ReadonlyMap<string, boolean>>(new Map())
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => ESTIMATES[items[index]?.kind ?? 'note'],
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 6,
    gap: 10,
    paddingStart: 16,
    paddingEnd: 24,
    useFlushSync: false,
  })
  const size = virtual.getTotalSize()

  const toEnd = useCallback(() => {
    following.current = true
    setAtEnd(true)
    const box = scroller.current
    if (box) box.scrollTop = box.scrollHeight
  }, [])
  useLayoutEffect(() => {
    const box = scroller.current
    if (box && following.current) box.scrollTop = box.scrollHeight
  }, [size, items])

  const scrollBy = useCallback((by: number) => scroller.current?.scrollBy({ top: by }), [])
  useShortcuts(
    useMemo(
      () => ({
        j: () => scrollBy(KEY_STEP),
        k: () => scrollBy(-KEY_STEP),
        End: toEnd,
        Home: () => {
          following.current = false
          scroller.current?.scrollTo({ top: 0 })
        },
      }),
      [scrollBy, toEnd],
    ),
  )
  const onToggle = useCallback(
    (key: string, open: boolean) => setOpened((before) => new Map(before).set(key, open)),
    [],
  )

  return (
    <div className="conversation">
      <div
        ref={scroller}
        className="scroller"
        tabIndex={0}
        role="region"
        aria-label={label}
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget
          const near = scrollHeight - scrollTop - clientHeight < NEAR_END
          following.current = near
          setAtEnd(near)
        }}
      >
        <div className="items" role="feed" aria-label={label} style={{ height: size }}>
          {virtual.getVirtualItems().map(({ index, key, start }) => {
            const item = items[index]
            return item === undefined ? null : (
              <article
                key={key}
                ref={virtual.measureElement}
                className="item"
                data-index={index}
                aria-label={labelOf(item)}
                aria-posinset={index + 1}
                aria-setsize={items.length}
                style={{ transform: `translateY(${start}px)` }}
              >
                <ItemView
                  item={item}
                  open={opened.get(item.key)}
                  onToggle={onToggle}
                  linkTask={linkTasks && item.taskId !== of}
                />
              </article>
            )
          })}
        </div>
      </div>
      {!atEnd && (
        <button type="button" className="button to-end" onClick={toEnd}>
          <Icon name="down" />
          Latest
        </button>
      )}
    </div>
  )
}

const ESTIMATES: Record<Item['kind'], number> = { prompt: 72, step: 90, tool: 44, note: 32, end: 56 }

const labelOf = (item: Item): string => {
  switch (item.kind) {
    case 'prompt':
      return 'Task'
    case 'step':
      return `Step ${item.iteration}`
    case 'tool':
      return `Tool ${item.toolName}`
    case 'note':
      return 'Note'
    case 'end':
      return `Task ${item.outcome}`
  }
}
