import { lazy, memo, Suspense } from 'react'

// The first paint does not wait for the renderer, which comes right after it.
const renderer = new Promise<void>((resolve) => setTimeout(resolve)).then(() => import('./markdown.tsx'))
const Markdown = lazy(() => renderer)

/** A model's text. It is hostile until shown otherwise: see the renderer. */
export const RichText = memo(function RichText({ text, live }: { text: string; live: boolean }) {
  return (
    <div className="rich" data-live={live}>
      <Suspense fallback={<div className="plain">{text}</div>}>
        <Markdown text={text} />
      </Suspense>
    </div>
  )
})
