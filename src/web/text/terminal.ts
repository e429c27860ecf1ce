import stripAnsi from 'strip-ansi'

/** What stands on the screen in the end: no colours or cursor moves, and a progress line only as it was last. */
export const screenText = (output: string): string =>
  stripAnsi(output)
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => line.slice(line.trimEnd().lastIndexOf('\r') + 1).trimEnd())
    .join('\n')
