import { expect, test, vi } from 'vitest'
import { createTextStream } from '../../src/agent/text-stream.ts'

test('a word that may go on waits for its rest, so that no key is cut in two', () => {
  vi.useFakeTimers()
  try {
    const pieces: [number, string][] = []
    const stream = createTextStream((offset, text) => pieces.push([offset, text]), 50)
    stream.push('the key is sk-ab')
    vi.advanceTimersByTime(50)
    stream.push('cdef, and 漢字')
    vi.advanceTimersByTime(50)
    stream.push('end')
    stream.flush()
    expect(pieces).toEqual([
      [0, 'the key is '],
      [11, 'sk-abcdef, and 漢字'],
      [28, 'end'],
    ])
  } finally {
    vi.useRealTimers()
  }
})
