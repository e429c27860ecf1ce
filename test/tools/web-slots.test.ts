import { expect, it } from 'vitest'
import { createSlots } from '../../src/agent/tools/web/slots.ts'

const never = new AbortController().signal

it('as many work at once as there are slots, the others in the order they came', async () => {
  const slots = createSlots(2)
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
  const log: string[] = []
  const runs = gates.map((gate, index) =>
    slots.run(never, async () => {
      log.push(`begin ${index}`)
      await gate.promise
      log.push(`end ${index}`)
    }),
  )
  gates[1]?.resolve()
  await runs[1]
  gates[2]?.resolve()
  await runs[2]
  gates[0]?.resolve()
  gates[3]?.resolve()
  await Promise.all(runs)
  expect(log.slice(0, 5)).toEqual(['begin 0', 'begin 1', 'end 1', 'begin 2', 'end 2'])
  expect(log).toHaveLength(8)
})

it('who is stopped while waiting leaves the line, and takes no slot with it', async () => {
  const slots = createSlots(1)
  const gate = Promise.withResolvers<void>()
  const first = slots.run(never, () => gate.promise)
  const controller = new AbortController()
  const stopped = slots.run(controller.signal, async () => 'never')
  const third = slots.run(never, async () => 'third')
  controller.abort(new Error('stopped'))
  await expect(stopped).rejects.toThrow('stopped')
  await expect(slots.run(controller.signal, async () => 'never')).rejects.toThrow('stopped')
  gate.resolve()
  await first
  expect(await third).toBe('third')
})

it('a slot is free again after a failure', async () => {
  const slots = createSlots(1)
  await expect(slots.run(never, () => Promise.reject(new Error('broke')))).rejects.toThrow('broke')
  expect(await slots.run(never, async () => 'next')).toBe('next')
})
