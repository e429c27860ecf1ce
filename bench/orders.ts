/** The other end of `Started.ask`: obeys lines of standard input, one after another, each answered with a line. */
import { createInterface } from 'node:readline'

/** Ends when standard input does. `name 1 2` calls `obey.name(1, 2)`. */
export const obeyOrders = async (
  obey: Readonly<Record<string, (...numbers: number[]) => unknown>>,
): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = '', ...numbers] = line.split(' ')
    const answer = await obey[name]?.(...numbers.map(Number))
    process.stdout.write(`${JSON.stringify(answer ?? name)}\n`)
  }
}

/** Milliseconds of the clock that all processes of a machine share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6
