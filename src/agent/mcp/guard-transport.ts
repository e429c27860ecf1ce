/** MCP over the standard input and output of a process under the guard. */
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { messageOf } from '../../errors.ts'
import type { Guard, GuardedResult, GuardedService, RunningService } from '../tools/guard.ts'

export interface GuardTransport extends Transport {
  /** How its process ended; undefined before. */
  result(): GuardedResult | undefined
  /** Why we ended it, if we did. */
  fault(): string | undefined
}

export const createGuardTransport = (
  guard: Guard,
  service: Omit<GuardedService, 'onOutput'>,
): GuardTransport => {
  const buffer = new ReadBuffer()
  let process: RunningService | undefined
  let result: GuardedResult | undefined
  let fault: string | undefined

  const receive = (chunk: string): void => {
    try {
      buffer.append(Buffer.from(chunk))
    } catch (error) {
      // A message that never ends, or a server that only makes noise.
      fault = messageOf(error)
      process?.end()
      return
    }
    for (;;) {
      try {
        const message = buffer.readMessage()
        if (message === null) return
        transport.onmessage?.(message)
      } catch (error) {
        // A line that is no message: servers print by mistake. It is read past.
        transport.onerror?.(asError(error))
      }
    }
  }

  const ending = async ({ ended }: RunningService): Promise<void> => {
    result = await ended
    transport.onclose?.()
  }

  const transport: GuardTransport = {
    async start() {
      process = guard.serve({ ...service, onOutput: receive })
      void ending(process)
    },
    async send(message: JSONRPCMessage) {
      process?.write(serializeMessage(message))
    },
    async close() {
      process?.end()
      await process?.ended
    },
    result: () => result,
    fault: () => fault,
  }
  return transport
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
