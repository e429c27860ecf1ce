import { measureFlatness } from '../flatness.ts'
import { startPlace } from '../place.ts'
import type { Suite } from '../report.ts'

const TASKS = 50_000

export const flatness: Suite = {
  name: 'flatness',
  about: `list, stats and submit with ${TASKS} finished tasks stored (bench:soak: with 1 000 000)`,
  async run(say) {
    await using place = await startPlace()
    return await measureFlatness(place, TASKS, say)
  },
}
