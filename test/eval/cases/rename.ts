import { type EvalCase, unless, unlessFailed } from '../case.ts'

const HISTORY = '# Changes\n\n- 1.2: loadUser takes a signal.\n- 1.0: loadUser.\n'
const SETTINGS = 'export const loadUserSettings = (id) => ({ id, theme: "dark" })\n'
const FILES = {
  'CHANGES.md': HISTORY,
  'README.md': '# Accounts\n\n`loadUser(id)` gives an account; `loadUserSettings(id)` its settings.\n',
  'src/users.mjs': 'export const loadUser = (id) => ({ id, name: `user ${id}` })\n',
  'src/settings.mjs': SETTINGS,
  'src/greet.mjs':
    "import { loadUser } from './users.mjs'\n\nexport const greet = (id) => `Hello, ${loadUser(id).name}`\n",
  'src/page.mjs':
    "import { loadUserSettings } from './settings.mjs'\nimport * as users from './users.mjs'\n\nexport const page = (id) => ({ ...users.loadUser(id), ...loadUserSettings(id) })\n",
  'test/greet.test.mjs':
    "import assert from 'node:assert/strict'\nimport { test } from 'node:test'\nimport { greet } from '../src/greet.mjs'\nimport { loadUser } from '../src/users.mjs'\n\ntest('greets by name', () => {\n  assert.equal(greet(3), `Hello, ${loadUser(3).name}`)\n})\n",
}
const HIDDEN = `
import assert from 'node:assert/strict'
import { greet } from './src/greet.mjs'
import { page } from './src/page.mjs'
import { loadUserSettings } from './src/settings.mjs'
import { loadAccount } from './src/users.mjs'
assert.equal(greet(4), 'Hello, user 4')
assert.deepEqual(page(4), { id: 4, name: 'user 4', theme: 'dark' })
assert.equal(loadAccount(4).name, 'user 4')
assert.equal(loadUserSettings(4).theme, 'dark')
`
const edit = (file_path: string) =>
  [
    'file_edit',
    { file_path, old_string: 'loadUser(', new_string: 'loadAccount(', replace_all: true },
  ] as const
const editImport = (file_path: string) =>
  ['file_edit', { file_path, old_string: '{ loadUser }', new_string: '{ loadAccount }' }] as const

export const rename: EvalCase = {
  name: 'rename',
  about: 'rename a function everywhere, and nothing that only looks like it',
  agent_preset: 'code-expert',
  tool_preset: 'safe',
  task: 'Rename the function loadUser to loadAccount wherever it is defined, used or documented as it is now. CHANGES.md tells of the past and stays. Leave no alias behind.',
  files: FILES,
  async check({ workspace }) {
    const paths = ['README.md', 'src/users.mjs', 'src/greet.mjs', 'src/page.mjs', 'test/greet.test.mjs']
    const texts = await Promise.all(paths.map((path) => workspace.read(path)))
    const old = paths.filter((_, i) => /\bloadUser\b/.test(texts[i] ?? ''))
    const without = paths.filter((_, i) => !/\bloadAccount\b/.test(texts[i] ?? ''))
    return [
      ...unless(
        (await workspace.read('src/settings.mjs')) === SETTINGS,
        'loadUserSettings is another function',
      ),
      ...unless((await workspace.read('CHANGES.md')) === HISTORY, 'CHANGES.md was changed'),
      ...unless(old.length === 0, `loadUser is left in ${old.join(', ')}`),
      ...unless(without.length === 0, `loadAccount is missing in ${without.join(', ')}`),
      ...unlessFailed(await workspace.node(HIDDEN), 'the code does not run'),
    ]
  },
  solver: {
    turns: [
      [['grep', { pattern: String.raw`\bloadUser\b` }]],
      [
        ['file_edit', { file_path: 'src/users.mjs', old_string: 'loadUser', new_string: 'loadAccount' }],
        edit('README.md'),
        edit('src/page.mjs'),
        editImport('src/greet.mjs'),
        edit('src/greet.mjs'),
        editImport('test/greet.test.mjs'),
        edit('test/greet.test.mjs'),
      ],
      [['grep', { pattern: String.raw`\bloadUser\b|loadAccount` }]],
      'loadUser is loadAccount in src/users.mjs, its two users, the test and the README. The tests were not run: there is no tool for it here.',
    ],
  },
  failer: {
    caught: 'loadUserSettings is another function',
    turns: [
      [['grep', { pattern: 'loadUser' }]],
      Object.keys(FILES).map(
        (file_path) =>
          [
            'file_edit',
            { file_path, old_string: 'loadUser', new_string: 'loadAccount', replace_all: true },
          ] as const,
      ),
      'loadUser is loadAccount everywhere.',
    ],
  },
}
