import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { NODE_FLAGS } from '../../src/node-flags.ts'
import { tempFolder } from '../config/temp.ts'
import { startApi } from '../support/api.ts'
import { ROOT } from './dockerfile.ts'
import { asTypeScript, type Manifest, readManifests, validate, Workload } from './manifests.ts'

const all = readManifests()
const named = (kind: Manifest['kind'], name: string) =>
  all.find(({ manifest }) => manifest.kind === kind && manifest.metadata.name === name)?.manifest
const workloads = all
  .filter(({ manifest }) => ['Deployment', 'StatefulSet'].includes(manifest.kind))
  .map(({ manifest }) => Workload.parse(manifest))
const workload = (name: string) => workloads.find(({ metadata }) => metadata.name === name)
const strings = (value: unknown) => value as Record<string, string>

/** Misspelt keys of `manifests`, by TypeScript; empty when all are known. */
const unknownFields = async (manifests: Manifest[]): Promise<string[]> => {
  await using folder = await tempFolder()
  await symlink(join(ROOT, 'node_modules'), join(folder.path, 'node_modules'))
  await writeFile(join(folder.path, 'manifests.ts'), asTypeScript(manifests))
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const options = '--noEmit --strict --skipLibCheck --module nodenext --target esnext --types node'.split(' ')
  try {
    await promisify(execFile)(tsc, [...options, 'manifests.ts'], { cwd: folder.path })
    return []
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split('\n')
  }
}

describe('the Kubernetes manifests', () => {
  test.each(all.map(({ file, manifest }) => [`${manifest.kind} ${manifest.metadata.name}`, file, manifest]))(
    '%s in %s follows its schema',
    (_name, _file, manifest) => {
      expect(() => validate(manifest)).not.toThrow()
    },
  )

  test('have no field that their kinds do not know', async () => {
    const misspelt = structuredClone(named('Deployment', 'alex-worker')) as unknown as Workload
    Object.assign(misspelt.spec.template.spec.containers[0], { livenessProb: {} })
    const [good, bad] = await Promise.all([
      unknownFields(all.map(({ manifest }) => manifest)),
      unknownFields([misspelt as unknown as Manifest]),
    ])
    expect(good).toEqual([])
    expect(bad.join('\n')).toContain('livenessProb')
  })

  test('all lie in one namespace, whose standard every pod satisfies', () => {
    const elsewhere = all.filter(
      ({ manifest }) => manifest.kind !== 'Namespace' && manifest.metadata.namespace !== 'alex',
    )
    expect(elsewhere).toEqual([])
    for (const { spec } of workloads) {
      const pod = spec.template.spec
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      expect(pod.containers[0].securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      })
    }
  })

  test('ask liveness of the process alone and readiness of what it needs', () => {
    for (const name of ['alex-server', 'alex-worker']) {
      const [container] = workload(name)?.spec.template.spec.containers ?? []
      expect(container?.livenessProbe).toMatchObject({ httpGet: { path: '/health/live' } })
      expect(container?.readinessProbe).toMatchObject({ httpGet: { path: '/health/ready' } })
    }
  })

  test('select the pods they mean, and mount what there is', () => {
    for (const { spec } of workloads) {
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels)
      const { volumes, containers } = spec.template.spec
      const there = [...volumes, ...spec.volumeClaimTemplates.map(({ metadata }) => metadata)].map(
        (each) => each.name,
      )
      expect(containers[0].volumeMounts.map((mount) => mount.name).toSorted()).toEqual(there.toSorted())
    }
    for (const name of ['alex-server', 'alex-worker']) {
      const labels = workload(name)?.spec.selector.matchLabels
      expect(named('PodDisruptionBudget', name)).toMatchObject({
        spec: { selector: { matchLabels: labels } },
      })
    }
  })

  test.each(['alex-server', 'alex-worker'])(
    '%s starts with the settings and secrets it is given',
    async (name) => {
      await using folder = await tempFolder()
      const secrets = join(folder.path, 'secrets')
      await mkdir(secrets)
      const given = strings(named('Secret', 'alex')?.['stringData'])
      for (const [key, value] of Object.entries(given)) await writeFile(join(secrets, key), value)
      const pod = workload(name)?.spec.template.spec
      const own = Object.fromEntries((pod?.containers[0].env ?? []).map((each) => [each.name, each.value]))
      const shared = Object.entries(strings(named('ConfigMap', 'alex')?.['data'])).map(
        ([key, value]) => [key, value.replace(/^\/etc\/alex\/secrets/, secrets)] as const,
      )
      const { config } = loadConfig({
        argv: [],
        cwd: folder.path,
        env: { HOME: folder.path, ...Object.fromEntries(shared), ...own },
      })
      expect(config).toMatchObject({
        api_key: given['openai-api-key'],
        api_tokens: [given['api-tokens']],
        redis_url: `redis://:${given['redis-password']}@alex-redis:6379`,
      })
      const closing = name === 'alex-worker' ? config.shutdown_grace_s + 8 : 5 + 5
      expect(pod?.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(closing)
      const command = pod?.containers[0].args ?? []
      expect(command).toEqual(['node', ...NODE_FLAGS, command.at(-1)])
    },
  )

  test('scale by fields that the API answers', async () => {
    await using api = await startApi()
    const stats = (await (await api.request('/api/tasks/stats')).json()) as object
    const { spec } = named('ScaledObject', 'alex-worker') as unknown as {
      spec: { triggers: { name: string; metadata: { url: string; valueLocation: string } }[] }
    }
    expect(spec.triggers.map(({ metadata }) => metadata.valueLocation)).toEqual(['pending', 'running'])
    for (const { metadata } of spec.triggers) expect(stats).toHaveProperty(metadata.valueLocation, 0)
  })
})
