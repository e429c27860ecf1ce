import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')
export const GRAFANA = join(ROOT, 'grafana')

interface Panel {
  type: string
  title: string
  description: string
  fieldConfig: { defaults: { unit: string } }
  targets: { expr: string; legendFormat: string }[]
}

/** What asks; rows do not. */
export const panelsOf = (json: string): Panel[] =>
  (JSON.parse(json) as { panels: Panel[] }).panels.filter(({ type }) => type !== 'row')
