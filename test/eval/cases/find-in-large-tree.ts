import { type EvalCase, type Files, lineOf, pointsTo, unless } from '../case.ts'

const AREAS = ['billing', 'catalog', 'delivery', 'identity', 'ledger', 'search']
const PER_AREA = 60

const jobFile = (
  name: string,
  environment: string,
  seconds: number,
  nth: number,
) => `# ${name}, ${environment}
job: ${name}
environment: ${environment}
replicas: ${1 + (nth % 4)}
schedule: "${nth % 60} * * * *"
timeout_seconds: ${seconds}
`

/** Several hundred files that look alike; of the job in question there are others of its name that do not decide. */
const tree = (): Files => {
  const files: Record<string, string> = {
    'README.md':
      '# Jobs\n\nWhat runs in production is under deploy/<area>/; staging/ and archive/ hold other settings.\n',
    'staging/ledger/reconcile-invoices.yaml': jobFile('reconcile-invoices', 'staging', 45, 3),
    'archive/2024/reconcile-invoices.yaml': jobFile('reconcile-invoices', 'production', 600, 4),
    'docs/timeouts.md': 'Most jobs end within 60 seconds; reconcile-invoices used to need 600.\n',
  }
  for (const [a, area] of AREAS.entries())
    for (let nth = 0; nth < PER_AREA; nth += 1) {
      const name = `${area}-job-${String(nth).padStart(2, '0')}`
      files[`deploy/${area}/${name}.yaml`] = jobFile(name, 'production', 30 + ((nth * 7 + a) % 50), nth)
    }
  files['deploy/delivery/delivery-job-nightly.yaml'] = jobFile('reconcile-invoices', 'production', 217, 5)
  return files
}
const PLACE = 'deploy/delivery/delivery-job-nightly.yaml'
const FILES = tree()

export const findInLargeTree: EvalCase = {
  name: 'find-in-large-tree',
  about: 'find one setting among several hundred files and its look-alikes',
  agent_preset: 'default',
  tool_preset: 'read-only',
  task: 'After how many seconds does the job reconcile-invoices time out in production, and which line of which file says so? Give the place as path:line.',
  files: FILES,
  async check({ workspace, answer }) {
    const line = lineOf(FILES[PLACE] ?? '', 'timeout_seconds')
    return [
      ...unless(/\b217\b/.test(answer), 'the answer does not say 217 seconds'),
      ...unless(pointsTo(answer, PLACE, line), `the answer does not point to ${PLACE}:${line}`),
      ...unless((await workspace.changed()).length === 0, 'files were changed'),
    ]
  },
  solver: {
    turns: [
      [
        ['grep', { pattern: 'reconcile-invoices' }],
        ['file_read', { path: 'README.md' }],
      ],
      [['file_read', { path: PLACE }]],
      `217 seconds: ${PLACE}:6. The files in staging/ (45) and archive/ (600) do not decide for production.`,
    ],
  },
  failer: {
    caught: 'does not say 217',
    turns: [
      [['find', { name: 'reconcile-invoices*' }]],
      [['file_read', { path: 'archive/2024/reconcile-invoices.yaml' }]],
      'It times out after 600 seconds: archive/2024/reconcile-invoices.yaml:6.',
    ],
  },
}
