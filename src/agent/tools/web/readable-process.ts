/**
 * Makes a page readable, in a process of its own: HTML on stdin, `ReadablePage` as JSON on stdout. A page may be
 * made to cost minutes or gigabytes; here it costs this process. (A thread is no wall: one that runs out of memory
 * can take its whole process down: measured.)
 */
import { text } from 'node:stream/consumers'
import { type ReadableInput, readablePage } from './html-to-markdown.ts'

const input: ReadableInput = JSON.parse(await text(process.stdin))
process.stdout.write(JSON.stringify(readablePage(input)))
