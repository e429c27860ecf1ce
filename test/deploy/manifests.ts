/** The Kubernetes manifests of deploy/kubernetes, each checked by the models of its API. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject'
import { TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Namespace } from 'kubernetes-models/v1/Namespace'
import { PersistentVolumeClaim } from 'kubernetes-models/v1/PersistentVolumeClaim'
import { Secret } from 'kubernetes-models/v1/Secret'
import { Service } from 'kubernetes-models/v1/Service'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { ROOT } from './dockerfile.ts'

const FOLDER = join(ROOT, 'deploy/kubernetes')
const MODELS = {
  ConfigMap,
  Deployment,
  Namespace,
  NetworkPolicy,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  ScaledObject,
  Secret,
  Service,
  StatefulSet,
  TriggerAuthentication,
}
type Kind = keyof typeof MODELS
const KINDS = Object.keys(MODELS) as [Kind, ...Kind[]]
/** Where TypeScript finds the type of a kind; the rest of the API versions are paths of kubernetes-models. */
const packageOf = (apiVersion: string) =>
  apiVersion.startsWith('keda.sh/')
    ? `@kubernetes-models/keda/${apiVersion}`
    : `kubernetes-models/${apiVersion}`

const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.enum(KINDS),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
})
export type Manifest = z.infer<typeof Manifest>

export const readManifests = (): { file: string; manifest: Manifest }[] =>
  readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => ({
        file,
        manifest: Manifest.parse(document.toJS()),
      })),
    )

/** Throws for a value of the wrong kind, or one that is missing. */
export const validate = (manifest: Manifest): void => {
  const { apiVersion, kind } = manifest
  const model = MODELS[kind]
  if (model.apiVersion !== apiVersion) throw new Error(`${kind} is of ${model.apiVersion}, not ${apiVersion}`)
  // The constructors take what TypeScript has checked; here it is what a file holds.
  const made = new (model as unknown as new (data: object) => { validate: () => void })(manifest)
  made.validate()
}

/** A module that TypeScript refuses when a manifest has a field that its kind does not know. */
export const asTypeScript = (manifests: readonly Manifest[]): string =>
  manifests
    .map(({ apiVersion, kind, ...rest }, i) =>
      [
        `import type { I${kind} as Kind${i} } from '${packageOf(apiVersion)}'`,
        `export const manifest${i}: Kind${i} = ${JSON.stringify({ apiVersion, kind, ...rest })}`,
      ].join('\n'),
    )
    .join('\n')

const Container = z.looseObject({
  args: z.array(z.string()),
  env: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
  securityContext: z.looseObject({}),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
  livenessProbe: z.looseObject({}),
  readinessProbe: z.looseObject({}),
})
/** What the tests look at in a Deployment or a StatefulSet. */
export const Workload = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    volumeClaimTemplates: z.array(z.looseObject({ metadata: z.object({ name: z.string() }) })).default([]),
    template: z.object({
      metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
      spec: z.looseObject({
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.looseObject({ runAsNonRoot: z.boolean() }),
        containers: z.tuple([Container]),
        volumes: z.array(z.looseObject({ name: z.string() })),
      }),
    }),
  }),
})
export type Workload = z.infer<typeof Workload>
