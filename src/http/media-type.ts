/** `type/subtype` in lower case without its parameters; empty when the header is absent. */
export const mediaType = (contentType: string | undefined): string =>
  (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''

export const isJson = (contentType: string | undefined): boolean =>
  /^application\/(?:[\w.-]+\+)?json$/.test(mediaType(contentType))

/** What a browser posts across sites without asking first. */
export const isForm = (contentType: string | undefined): boolean =>
  ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'].includes(mediaType(contentType))
