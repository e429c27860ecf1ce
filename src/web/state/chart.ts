/** Where the points of a line chart lie. */
export interface Point {
  /** ms */
  at: number
  value: number
}

/** A chart is never narrower than this, so that the first points do not fill it. */
const LEAST_MS = 60_000

export const scaleOf = (points: readonly Point[]) => {
  const to = points.at(-1)?.at ?? 0
  const first = points[0]?.at ?? to
  const from = Math.min(first, to - LEAST_MS)
  return {
    from,
    to,
    highest: Math.max(0, ...points.map(({ value }) => value)),
    /** Where the line begins, from 0 to 1. */
    firstX: (first - from) / (to - from),
  }
}

/** An SVG path; empty for fewer than two points. */
export const linePath = (
  points: readonly Point[],
  {
    from,
    to,
    highest,
    width,
    height,
  }: { from: number; to: number; highest: number; width: number; height: number },
): string => {
  if (points.length < 2) return ''
  const top = 4
  const x = (at: number) => round(((at - from) / (to - from)) * width)
  const y = (value: number) => round(height - 1 - (value / (highest || 1)) * (height - 1 - top))
  return points.map(({ at, value }, i) => `${i === 0 ? 'M' : 'L'}${x(at)},${y(value)}`).join('')
}

const round = (value: number): number => Math.round(value * 10) / 10
