import type { DiffLine } from '../text/diff.ts'

const SIGNS = { added: '+', removed: '−', same: ' ', hunk: '', file: '' }

/** A unified diff; signs besides colours, for those who do not see colours. */
export const Diff = ({ lines }: { lines: readonly DiffLine[] }) => (
  <div className="diff" role="region" aria-label="Difference" tabIndex={0}>
    <table>
      <tbody>
        {lines.map((line, index) => (
          // oxlint-disable-next-line react/no-array-index-key -- lines of a diff never move
          <tr key={index} data-kind={line.kind}>
            <td className="line-number">{line.before ?? ''}</td>
            <td className="line-number">{line.after ?? ''}</td>
            <td className="line-sign">{SIGNS[line.kind]}</td>
            <td className="line-text">{line.text}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)
