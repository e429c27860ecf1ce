/** Seeded chance: the same seed gives the same plans and the same order of faults. */
export interface Random {
  /** 0 ≤ x < 1. */
  next: () => number
  between: (low: number, high: number) => number
  integer: (low: number, high: number) => number
  chance: (probability: number) => boolean
  pick: <T>(from: readonly T[]) => T
  /** Shuffled copy. */
  shuffled: <T>(from: readonly T[]) => T[]
  /** A generator of its own, so that what one part draws does not depend on another's pace. */
  fork: (name: string) => Random
}

export const createRandom = (seed: number): Random => {
  let state = seed >>> 0
  // mulberry32 by Tommy Ettinger (public domain): 32 bits of state, even enough for choosing faults.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (low: number, high: number) => low + next() * (high - low)
  const integer = (low: number, high: number) => Math.floor(between(low, high + 1))
  return {
    next,
    between,
    integer,
    chance: (probability) => next() < probability,
    pick: (from) => from[integer(0, from.length - 1)] as (typeof from)[number],
    shuffled(from) {
      const out = [...from]
      for (let i = out.length - 1; i > 0; i -= 1) {
        const j = integer(0, i)
        ;[out[i], out[j]] = [out[j] as (typeof out)[number], out[i] as (typeof out)[number]]
      }
      return out
    },
    fork: (name) =>
      createRandom(
        Array.from(name).reduce((sum, letter) => Math.imul(sum, 31) + (letter.codePointAt(0) ?? 0), seed),
      ),
  }
}
