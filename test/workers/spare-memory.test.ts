import { expect, test, vi } from 'vitest'
import { createSpareMemory } from '../../workers/spare-memory.ts'

/** Something that nobody holds any more. A failed expectation would hold it: what is expected is told of it only. */
const garbage = () => {
  const left = new WeakRef({ left: 'behind' })
  return { isThere: () => left.deref() !== undefined }
}

test('what work left behind is collected once there is none', async () => {
  using memory = createSpareMemory({ isIdle: () => true, quietMs: 20 })
  const left = garbage()
  memory.worked()
  await vi.waitFor(() => expect(left.isThere()).toBe(false), { timeout: 10_000 })
})

test('while there is work it waits', async () => {
  const asked = Promise.withResolvers<void>()
  let idle = false
  using memory = createSpareMemory({
    isIdle: () => {
      if (!idle) asked.resolve()
      return idle
    },
    quietMs: 20,
  })
  const left = garbage()
  memory.worked()
  await asked.promise
  expect(left.isThere()).toBe(true)
  idle = true
  await vi.waitFor(() => expect(left.isThere()).toBe(false), { timeout: 10_000 })
})
