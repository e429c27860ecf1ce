/** Grafana's schema of a dashboard, as its foundation SDK has it in types, for JSON: of an enum its values. */
import type { Dashboard, FieldConfig, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus'
import type { Options as StatOptions } from '@grafana/grafana-foundation-sdk/stat'
import type {
  FieldConfig as TimelineFields,
  Options as TimelineOptions,
} from '@grafana/grafana-foundation-sdk/statetimeline'
import type {
  FieldConfig as TableFields,
  Options as TableOptions,
} from '@grafana/grafana-foundation-sdk/table'
import type {
  FieldConfig as SeriesFields,
  Options as SeriesOptions,
} from '@grafana/grafana-foundation-sdk/timeseries'

type Json<T> = 0 extends 1 & T
  ? T
  : T extends string
    ? `${T}`
    : T extends number
      ? number extends T
        ? number
        : `${T}` extends `${infer N extends number}`
          ? N
          : never
      : T extends boolean | null | undefined
        ? T
        : T extends readonly (infer U)[]
          ? Json<U>[]
          : { [K in keyof T as K extends `_implements${string}` ? never : K]: Json<T[K]> }

type PanelOf<Type extends string, Options, Custom> = Omit<
  Json<Panel>,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'title' | 'description' | 'datasource'
> & {
  type: Type
  title: string
  description: string
  datasource: { type: 'prometheus'; uid: '$datasource' }
  options: Json<Options>
  fieldConfig: {
    defaults: Omit<Json<FieldConfig>, 'custom' | 'unit'> & { unit: string; custom?: Json<Custom> }
    overrides: []
  }
  targets: Json<Dataquery>[]
}

export type DashboardJson = Omit<Json<Dashboard>, 'panels'> & {
  panels: (
    | Json<RowPanel>
    | PanelOf<'stat', StatOptions, never>
    | PanelOf<'state-timeline', TimelineOptions, TimelineFields>
    | PanelOf<'table', TableOptions, TableFields>
    | PanelOf<'timeseries', SeriesOptions, SeriesFields>
  )[]
}
