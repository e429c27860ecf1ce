import { useId } from 'react'
import { linePath, type Point, scaleOf } from '../state/chart.ts'

const WIDTH = 300
const HEIGHT = 72

/** One value over the last minutes: drawn for those who see, told for those who hear. */
export const Chart = ({
  title,
  unit,
  points,
  format,
}: {
  title: string
  unit: string
  points: readonly Point[]
  format: (value: number) => string
}) => {
  const id = useId()
  const last = points.at(-1)
  const scale = scaleOf(points)
  const line = linePath(points, { ...scale, width: WIDTH, height: HEIGHT })
  const minutes = Math.max(1, Math.round((scale.to - scale.from) / 60_000))
  const told = last
    ? `${title} now ${format(last.value)}, at most ${format(scale.highest)} in the last ${minutes} minutes`
    : `${title}: nothing known yet`
  return (
    <figure className="chart">
      <figcaption>
        <span>{title}</span>
        <strong>{last ? format(last.value) : '–'}</strong>
        <span className="muted">{unit}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-labelledby={id} preserveAspectRatio="none">
        <title id={id}>{told}</title>
        <path
          className="chart-area"
          d={line === '' ? '' : `${line}L${WIDTH},${HEIGHT}L${scale.firstX * WIDTH},${HEIGHT}Z`}
        />
        <path className="chart-line" d={line} />
      </svg>
      <div className="chart-foot muted">
        <span>last {minutes} min</span>
        <span>most {format(scale.highest)}</span>
      </div>
    </figure>
  )
}
