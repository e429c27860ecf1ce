import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DATASOURCE, type Panel } from './panel.ts'

interface Board {
  uid: string
  title: string
  description: string
  rows: Readonly<Record<string, Panel[]>>
}

const TAG = 'alex'

/** Grafana 11 reads it, and what is newer carries it over. */
const SCHEMA_VERSION = 39

/** A dashboard with what all of them have: whose data it shows, ways to the others, marks where alerts fired. */
export const board = ({ uid, title, description, rows }: Board): Dashboard => {
  const made = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .readonly()
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder('ALEX')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('job')
        .label('Fleet')
        .description('The scrape job; one for each fleet of ALEX')
        .datasource(DATASOURCE)
        .query('label_values(alex_build_info, job)')
        .refresh(VariableRefresh.OnDashboardLoad),
    )
    .annotation(
      new AnnotationQueryBuilder()
        .name('Alerts')
        .datasource(DATASOURCE)
        .enable(true)
        .iconColor('red')
        .expr('ALERTS{alertstate="firing", alertname=~"Alex.*"}')
        .titleFormat('{{alertname}}')
        .textFormat('{{severity}}'),
    )
  let id = 0
  for (const [heading, panels] of Object.entries(rows)) {
    made.withRow(new RowBuilder(heading).id(++id))
    for (const panel of panels) made.withPanel(panel.id(++id))
  }
  const { links = [], ...built } = made.build()
  // The builder can only put them into a menu; without a place they are in sight.
  for (const link of links) delete link.placement
  return { ...built, links, schemaVersion: SCHEMA_VERSION }
}
