/** What a tool call does, in one line: the argument that says most. */

const TELLING = ['command', 'file_path', 'path', 'pattern', 'query', 'url', 'message', 'thought', 'code']

export const callTitle = (args: unknown): string => {
  if (typeof args === 'string') return firstLine(args)
  if (typeof args !== 'object' || args === null) return ''
  const entries = Object.entries(args)
  const telling = TELLING.map((name) => entries.find(([key]) => key === name)).find(Boolean)
  const value: unknown = (telling ?? entries[0])?.[1]
  if (value === undefined) return ''
  return firstLine(typeof value === 'string' ? value : JSON.stringify(value))
}

const firstLine = (text: string): string => {
  const [line = ''] = text.trim().split('\n')
  return line.length > 160 ? `${line.slice(0, 160)}…` : line
}
