/** Line icons, drawn for this console; decoration only. */
const PATHS = {
  tasks: 'M4 6h2M4 12h2M4 18h2M10 6h10M10 12h10M10 18h10',
  sessions: 'M4 5h16v11H9l-5 4z',
  fleet: 'M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01',
  chevron: 'm9 6 6 6-6 6',
  down: 'm6 9 6 6 6-6',
  check: 'm5 12 5 5 9-10',
  cross: 'M6 6l12 12M18 6 6 18',
  fork: 'M6 4v8a4 4 0 0 0 4 4h8M14 12l4 4-4 4M6 12v8',
  bin: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  stop: 'M7 7h10v10H7z',
  back: 'm15 6-6 6 6 6',
  tool: 'M5 19l8-8M14 4a5 5 0 0 0-1 7 5 5 0 0 0 7-1l-3 1-3-3z',
  shell: 'm5 7 5 5-5 5M12 18h7',
  file: 'M7 3h7l4 4v14H7zM13 3v5h5',
  globe: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18',
  send: 'M4 12h14M12 6l6 6-6 6',
} as const
export type IconName = keyof typeof PATHS

export const Icon = ({ name }: { name: IconName }) => (
  <svg className="icon" viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" focusable="false">
    <path d={PATHS[name]} />
  </svg>
)
