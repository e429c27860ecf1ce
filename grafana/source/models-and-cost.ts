import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { FLEET_COUNTERS, FLEET_GAUGES, WORKER_METRICS } from '../../src/metrics/table.ts'
import { board } from './board.ts'
import { from, list, number, ORANGE, RED, trend } from './panel.ts'
import { fleetGauge, fleetRate, quantile, rate, share } from './promql.ts'

const { modelCalls, modelCost, modelDuration, modelFirstToken, modelTokens } = WORKER_METRICS
const all = rate(modelCalls, { by: ['model'] })
/** One that was aborted says nothing of the model. */
const wrong = rate(modelCalls, { by: ['model'], where: 'outcome!~"answered|aborted"' })
/** Recorded by alerts.yml. */
const BUDGET = 'max(alex:cost_budget_usd_per_day)'

/** Latency, tokens, money by model. */
export const modelsBoard = (): Dashboard =>
  board({
    uid: 'alex-models',
    title: 'ALEX: Models and cost',
    description: 'Do the models answer, how fast, what do they take and cost?',
    rows: {
      'What does it cost?': [
        number({
          title: 'What did this day cost?',
          description: 'Since midnight UTC, from Redis: calls of lost workers included.',
          unit: 'currencyUSD',
          queries: { today: fleetGauge(FLEET_GAUGES.costToday) },
          span: 6,
        }),
        number({
          title: 'How much of the daily budget is spent?',
          description:
            'The budget is the number in alerts.yml, alex:cost_budget_usd_per_day. It alerts; it stops nothing.',
          unit: 'percentunit',
          queries: { spent: `${fleetGauge(FLEET_GAUGES.costToday)} / ${BUDGET}` },
          thresholds: [from(0.8, ORANGE), from(1, RED)],
          span: 6,
        }),
        number({
          title: 'What does an hour cost now?',
          description: 'At the pace of the last minutes.',
          unit: 'currencyUSD',
          queries: { 'per hour': `3600 * ${rate(modelCost)}` },
          span: 6,
        }),
        number({
          title: 'What does a task cost?',
          description: 'Money spent now, by tasks ending now, subtasks included.',
          unit: 'currencyUSD',
          queries: { 'per task': share(rate(modelCost), fleetRate(FLEET_COUNTERS.finished)) },
          noValue: 'none ends',
          span: 6,
        }),
        trend({
          title: 'Which model spends how fast?',
          description: 'Dollars an hour at each moment.',
          unit: 'currencyUSD',
          queries: { '{{model}}': `3600 * ${rate(modelCost, { by: ['model'] })}` },
          stacked: true,
          span: 12,
        }),
        list({
          title: 'Which model cost what today?',
          description:
            'Since midnight UTC. Billed: from the usage that the provider told. Estimated: calls that broke off, or whose usage it kept to itself. A model without a known price is not in it.',
          unit: 'currencyUSD',
          queries: { today: fleetGauge(FLEET_GAUGES.costToday, { by: ['model', 'kind'] }) },
          columns: { model: 'Model', kind: 'Kind', Value: 'USD' },
          noValue: 'nothing yet',
          span: 12,
        }),
      ],
      'Do the models answer?': [
        trend({
          title: 'How many calls do models answer?',
          description: 'Model calls that are over, by what came of them. Repeats of a call count again.',
          unit: 'cps',
          queries: { '{{model}} {{outcome}}': rate(modelCalls, { by: ['model', 'outcome'] }) },
          stacked: true,
          span: 12,
        }),
        trend({
          title: 'What share of model calls goes wrong?',
          description:
            'overloaded, network and timeout are tried again, with fallback_models next; rejected (a wrong key, a bad request) fails the task at once.',
          unit: 'percentunit',
          queries: {
            '{{model}}': share(`(${wrong} or 0 * ${all})`, all),
          },
          max: 1,
          span: 12,
        }),
      ],
      'How fast are they?': [
        trend({
          title: 'How long does a model call take?',
          description: 'Until the last token, of answered calls.',
          unit: 's',
          queries: {
            '{{model}} half': quantile(0.5, modelDuration, { by: ['model'] }),
            '{{model}} 95 %': quantile(0.95, modelDuration, { by: ['model'] }),
          },
          span: 12,
        }),
        trend({
          title: 'How long until the first text?',
          description:
            'What a person who watches waits for. Calls that only ask for tools are not among them.',
          unit: 's',
          queries: {
            '{{model}} half': quantile(0.5, modelFirstToken, { by: ['model'] }),
            '{{model}} 95 %': quantile(0.95, modelFirstToken, { by: ['model'] }),
          },
          span: 12,
        }),
      ],
      'What do they take?': [
        trend({
          title: 'How many tokens go in and out?',
          description: 'Of answered calls, a second. Cached ones are a part of the input.',
          unit: 'cps',
          queries: { '{{model}} {{kind}}': rate(modelTokens, { by: ['model', 'kind'] }) },
          span: 12,
        }),
        trend({
          title: 'What share of the input comes from the cache?',
          description: 'Cached input costs a fraction. A fall means that prompts no longer begin alike.',
          unit: 'percentunit',
          queries: {
            '{{model}}': share(
              rate(modelTokens, { by: ['model'], where: 'kind="cached"' }),
              rate(modelTokens, { by: ['model'], where: 'kind="input"' }),
            ),
          },
          max: 1,
          span: 12,
        }),
      ],
    },
  })
