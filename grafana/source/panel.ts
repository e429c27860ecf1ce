/** Panels as this project wants them: a question, what the answer means, a unit. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  BigValueGraphMode,
  type DataSourceRef,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  type VizTooltipOptions,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  MappingType,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** What several queries of a panel are called in its legend, to each its query. */
type Queries = Readonly<Record<string, string>>

interface Question {
  /** Ends with a question mark. */
  title: string
  /** What the answer means, and what to do about a bad one. */
  description: string
  /** Grafana's id of it. */
  unit: string
  queries: Queries
  /** Of 24 columns. */
  span: number
  /** Where more is told: uid of a dashboard. */
  more?: string
}

export type Panel = StatBuilder | TimelineBuilder | TableBuilder | TimeseriesBuilder

export const DATASOURCE: DataSourceRef = { type: 'prometheus', uid: '$datasource' }
const GREEN = 'green'
export const ORANGE = 'orange'
export const RED = 'red'

const largestFirst: Builder<VizTooltipOptions> = {
  build: () => ({
    ...new VizTooltipOptionsBuilder().build(),
    mode: TooltipDisplayMode.Multi,
    sort: SortOrder.Descending,
  }),
}

/** The number of this moment, in the colour that its thresholds give it. */
export const number = (
  question: Question & { thresholds?: Threshold[]; mappings?: ValueMapping[]; noValue?: string },
): StatBuilder => {
  const panel = new StatBuilder()
    .graphMode(BigValueGraphMode.Area)
    .colorMode(
      question.thresholds || question.mappings ? BigValueColorMode.Background : BigValueColorMode.Value,
    )
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(thresholds(question.thresholds ?? []))
    .noValue(question.noValue ?? 'unknown')
    .height(4)
  if (question.mappings) panel.mappings(question.mappings).graphMode(BigValueGraphMode.None)
  return asked(panel, question)
}

/** How it went. `stacked`: the parts make a whole. */
export const trend = (question: Question & { stacked?: boolean; max?: number }): TimeseriesBuilder => {
  const panel = new TimeseriesBuilder()
    .lineWidth(1)
    .fillOpacity(question.stacked ? 40 : 8)
    .showPoints(VisibilityMode.Never)
    .min(0)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(largestFirst)
    .height(8)
  if (question.stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
  if (question.max !== undefined) panel.max(question.max)
  return asked(panel, question)
}

/** When each of several things was in order (0) and when not (1). */
export const timeline = (question: Question & { good: string; bad: string }): TimelineBuilder =>
  asked(
    new TimelineBuilder()
      .showValue(VisibilityMode.Never)
      .mappings([mapped({ 0: [question.good, GREEN], 1: [question.bad, RED] })])
      .thresholds(thresholds([{ value: 1, color: RED }]))
      .fillOpacity(80)
      .height(8),
    question,
  )

/** One line for each series of this moment; `columns`: its labels to show, with a heading each. */
export const list = (
  question: Question & { columns: Readonly<Record<string, string>>; noValue: string },
): TableBuilder => {
  const names = Object.keys(question.columns)
  const panel = new TableBuilder()
    .noValue(question.noValue)
    .withTransformation({ id: 'filterFieldsByName', options: { include: { names } } })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: {},
        indexByName: Object.fromEntries(names.map((name, i) => [name, i])),
        renameByName: question.columns,
      },
    })
    .height(8)
  const targets = Object.entries(question.queries).map(([, query], i) =>
    target(query, '', i).instant().format(PromQueryFormat.Table),
  )
  return described(panel, question).targets(targets)
}

export const from = (value: number, color: string): Threshold => ({ value, color })

/** Texts and colours of values. */
export const mapped = (
  values: Readonly<Record<number, readonly [text: string, color: string]>>,
): ValueMapping => ({
  type: MappingType.ValueToText,
  options: Object.fromEntries(
    Object.entries(values).map(([value, [text, color]], index) => [value, { text, color, index }]),
  ),
})

const asked = <P extends Panel>(panel: P, question: Question): P => {
  const targets = Object.entries(question.queries).map(([legend, query], i) => target(query, legend, i))
  described(panel, question).targets(targets)
  return panel
}

const described = <P extends Panel>(panel: P, { title, description, unit, span, more }: Question): P => {
  panel.title(title).description(description).unit(unit).span(span).datasource(DATASOURCE)
  if (more !== undefined)
    panel.links([
      new DashboardLinkBuilder('More of this')
        .type(DashboardLinkType.Link)
        .url(`/d/${more}?\${__url_time_range}&\${__all_variables}`),
    ])
  return panel
}

const target = (query: string, legend: string, index: number): DataqueryBuilder =>
  new DataqueryBuilder()
    .expr(query)
    .legendFormat(legend)
    .refId(String.fromCodePoint('A'.charCodeAt(0) + index))
    .datasource(DATASOURCE)
    .range()

const thresholds = (steps: Threshold[]): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([{ value: null, color: GREEN }, ...steps])
