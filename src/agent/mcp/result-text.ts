/** A tool's result as the model reads it: text; of what is no text only a note. */
import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/sdk/types.js'
import { plainText } from '../tools/output-cap.ts'
import type { ToolOutput } from '../tools/tool.ts'

export const outputOf = ({ content, structuredContent, isError }: CallToolResult): ToolOutput => {
  const parts = content.map(textOf).filter((text) => text !== '')
  const noText = !content.some((block) => block.type === 'text' && block.text.trim() !== '')
  if (structuredContent !== undefined && noText) parts.push(JSON.stringify(structuredContent, null, 2))
  const text = parts.length === 0 ? '(no output)' : parts.join('\n')
  return { content: text, ...(isError && { error: 'the tool reports an error' }) }
}

const textOf = (block: ContentBlock): string => {
  switch (block.type) {
    case 'text':
      return plainText(block.text)
    case 'image':
    case 'audio':
      return `[${block.type}, ${block.mimeType}, ${bytesOf(block.data)}: not shown]`
    case 'resource_link':
      return note(
        'link to a resource',
        block.uri,
        block.mimeType,
        block.size,
        block.description ?? block.name,
      )
    case 'resource': {
      const { uri, mimeType } = block.resource
      if ('text' in block.resource)
        return `${note('resource', uri, mimeType, Buffer.byteLength(block.resource.text))}\n${plainText(block.resource.text)}`
      return `${note('resource', uri, mimeType, base64Length(block.resource.blob))} (not shown)`
    }
  }
}

const note = (
  kind: string,
  uri: string,
  mimeType = 'type unknown',
  size?: number,
  about?: string,
): string => {
  const parts = [`${kind} ${uri}`, mimeType, ...(size === undefined ? [] : [`${size} bytes`])]
  return `[${parts.join(', ')}${about === undefined ? '' : `: ${about}`}]`
}

const bytesOf = (base64: string): string => `${base64Length(base64)} bytes`

const base64Length = (base64: string): number => Buffer.byteLength(base64, 'base64')
