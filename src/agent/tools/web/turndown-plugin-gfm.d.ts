declare module '@joplin/turndown-plugin-gfm' {
  import type { Plugin } from 'turndown'
  /** Tables, strike-through, task lists, the language of code blocks. */
  export const gfm: Plugin
}
