/** Where the web console lives. */

/** Each is the same page, which reads from its URL what to show. */
export const CONSOLE_PAGES = ['/', '/tasks/:id', '/sessions', '/sessions/:id', '/fleet'] as const

/** Whether this GET asks for a file of the console and not for anything ALEX knows. */
export const isConsolePath = (path: string): boolean =>
  /^\/(?:(?:tasks|sessions)\/[^/]+|sessions|fleet|assets\/[^/]+|favicon\.svg)?$/.test(path)
