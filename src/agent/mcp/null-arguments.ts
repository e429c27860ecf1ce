import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'

/**
 * Models write null for an optional parameter that they leave out, and servers refuse it; but null can be meant.
 * Arguments that fit the schema go as they are, others without their nulls. All else is the server's to judge.
 */
export const nullsAsMeant = (
  schema: Record<string, unknown>,
  args: Record<string, unknown>,
): Record<string, unknown> => {
  if (!Object.values(args).includes(null)) return args
  try {
    const fits = new AjvJsonSchemaValidator().getValidator(schema)
    return fits(args).valid ? args : withoutNulls(args)
  } catch {
    // A schema that cannot be compiled here says nothing of what the server takes.
    return args
  }
}

const withoutNulls = (args: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null))
