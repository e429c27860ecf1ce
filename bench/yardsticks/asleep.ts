/** What no process that looks once a second whether there is something to do can go below: it looks, and there is nothing. */
import { setInterval } from 'node:timers/promises'

process.stdout.write('asleep\n')
for await (const _ of setInterval(1000));
