import { type EvalCase, unless } from '../case.ts'

const NEEDS = `# How this service is run

- Node 24; starts with \`node src/server.mjs\`, listens on 8080 and answers \`GET /healthz\`.
- Needs \`src/\` and \`package.json\`; dependencies with \`npm ci --omit=dev\` from the lock file.
- The image must run as the user \`node\`, must pin its base to a version of Node 24, and must have a health check.
- \`API_TOKEN\` comes from the environment when the container starts. It must not be in the image.
`
const GOOD = `FROM node:24.11-bookworm-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY src ./src
USER node
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s \\
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/server.mjs"]
`
const HASTY = `FROM node:latest
WORKDIR /app
COPY . .
RUN npm install
ENV API_TOKEN=changeme
CMD node src/server.mjs
`
const KNOWN =
  /^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)$/

export const dockerfile: EvalCase = {
  name: 'dockerfile',
  about: 'write a Dockerfile that parses and keeps the rules of the house',
  agent_preset: 'devops',
  tool_preset: 'safe',
  task: 'Write the Dockerfile of this service; docs/running.md says what it needs. Change nothing else that exists.',
  files: {
    'docs/running.md': NEEDS,
    'package.json': '{ "name": "greeter", "version": "1.0.0", "type": "module" }\n',
    'package-lock.json':
      '{ "name": "greeter", "version": "1.0.0", "lockfileVersion": 3, "packages": { "": { "name": "greeter", "version": "1.0.0" } } }\n',
    'src/server.mjs':
      "import { createServer } from 'node:http'\ncreateServer((_, response) => response.end('ok')).listen(8080)\n",
  },
  async check({ workspace }) {
    const text = await workspace.read('Dockerfile')
    if (text === undefined) return ['there is no Dockerfile']
    const lines = instructionsOf(text)
    const all = (name: string) => lines.filter((line) => line.name === name).map(({ rest }) => rest)
    const unknown = lines.find(({ name }) => !KNOWN.test(name))
    const start = [...all('ENTRYPOINT'), ...all('CMD')].join(' ')
    const others = (await workspace.changed()).filter((path) => !/^(Dockerfile|\.dockerignore)$/.test(path))
    return [
      ...unless(unknown === undefined, `no instruction of a Dockerfile: ${unknown?.name}`),
      ...unless(/^(FROM|ARG)$/.test(lines[0]?.name ?? ''), 'it does not begin with FROM'),
      ...unless(
        all('FROM')
          .map(withDefaults(all('ARG')))
          .some((base) => /\bnode:(v?24[\w.-]*)/.test(base)),
        'the base is not a version of Node 24',
      ),
      ...unless(/^(node|1000)(:\S+)?$/.test(all('USER').at(-1) ?? ''), 'it does not run as the user node'),
      ...unless(
        all('HEALTHCHECK').some((check) => /healthz/.test(check)),
        'there is no health check',
      ),
      ...unless(
        all('RUN').some((command) => /npm ci\b/.test(command)),
        'dependencies are not from the lock file',
      ),
      ...unless(/src\/server\.mjs/.test(start) && /^\s*\[/.test(start), 'node is not what is started'),
      ...unless(
        !/API_TOKEN\s*[= ]\s*(?!""|'')\S/.test([...all('ENV'), ...all('ARG')].join('\n')),
        'API_TOKEN is in the image',
      ),
      ...unless(others.length === 0, `changed besides: ${others.join(', ')}`),
    ]
  },
  solver: {
    turns: [
      [
        ['list_files', {}],
        ['file_read', { path: 'docs/running.md' }],
      ],
      [['file_write', { path: 'Dockerfile', content: GOOD }]],
      [['file_read', { path: 'Dockerfile' }]],
      'Dockerfile is written as docs/running.md asks. It was not built: there is no Docker here. Pass API_TOKEN with `docker run -e API_TOKEN`.',
    ],
  },
  failer: {
    caught: 'the base is not a version of Node 24',
    turns: [[['file_write', { path: 'Dockerfile', content: HASTY }]], 'The Dockerfile is ready.'],
  },
}

/** Fills in what the file's own ARG lines say. */
const withDefaults = (args: readonly string[]) => {
  const values = new Map(args.map((arg) => [arg.split('=')[0], arg.split('=')[1]?.replaceAll(/["']/g, '')]))
  return (text: string) => text.replaceAll(/\$\{?(\w+)\}?/g, (hole, name) => values.get(name) ?? hole)
}

/** Comments and here-documents left out, lines joined that end in a backslash. */
const instructionsOf = (text: string): { name: string; rest: string }[] =>
  text
    .replaceAll(/<<-?["']?(\w+)["']?[^]*?\n\s*\1(?=\n|$)/g, '')
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\[ \t]*\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? []
      return { name: name.toUpperCase(), rest: rest.trim() }
    })
