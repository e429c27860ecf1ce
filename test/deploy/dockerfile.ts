/** The Dockerfile as stages of instructions, for the tests that check it and that carry it out. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Copy, DockerfileParser, type Instruction, JSONInstruction } from 'dockerfile-ast'

export const ROOT = resolve(import.meta.dirname, '../..')

export interface Step {
  /** In capitals: FROM, RUN, COPY, … */
  keyword: string
  /** What follows it, on one line. */
  text: string
  /** The words of it, in the exec form (`["node", "x.ts"]`) those of the list. */
  words: string[]
  exec: boolean
  /** Of `COPY --from=…`. */
  from?: string
}

export interface Stage {
  name: string
  steps: Step[]
}

export const readStages = (): Stage[] => {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  const stages: Stage[] = []
  for (const instruction of DockerfileParser.parse(text).getInstructions()) {
    const step = stepOf(instruction)
    if (step.keyword === 'FROM')
      stages.push({ name: / AS (\S+)$/i.exec(step.text)?.[1] ?? String(stages.length), steps: [] })
    stages.at(-1)?.steps.push(step)
  }
  return stages
}

/** The last instruction of this kind, which is the one that counts. */
export const last = (stage: Stage | undefined, keyword: string): Step | undefined =>
  stage?.steps.findLast((step) => step.keyword === keyword)

/** What the last stage sets with ENV. */
export const environmentOf = (stage: Stage | undefined): Record<string, string> =>
  Object.fromEntries(
    (stage?.steps ?? [])
      .filter(({ keyword }) => keyword === 'ENV')
      .flatMap(({ words }) => words.map((word) => word.split(/=(.*)/s, 2) as [string, string])),
  )

const stepOf = (instruction: Instruction): Step => {
  const keyword = instruction.getKeyword()
  const listed = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : []
  const words = (listed.length > 0 ? listed : instruction.getArguments()).map((each) => each.getValue())
  const from = instruction instanceof Copy ? instruction.getFromFlag()?.getValue() : undefined
  return {
    keyword,
    text: words.join(' '),
    words: listed.length > 0 ? words.map((word) => JSON.parse(word) as string) : words,
    exec: listed.length > 0,
    ...(from == null ? {} : { from }),
  }
}
