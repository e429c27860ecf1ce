import { fleetBoard } from './fleet.ts'
import { internalsBoard } from './internals.ts'
import { modelsBoard } from './models-and-cost.ts'
import { tasksBoard } from './tasks.ts'

/** The dashboards, as Grafana reads them, by the name of their file. */
export const dashboards = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries({
      fleet: fleetBoard(),
      tasks: tasksBoard(),
      'models-and-cost': modelsBoard(),
      internals: internalsBoard(),
    }).map(([name, board]) => [`${name}.json`, `${JSON.stringify(board, null, 2)}\n`]),
  )
