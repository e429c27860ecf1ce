import type { Context } from 'hono'

/** Whose request this is, for its log lines: the task or session that its path or query names. */
export const subjectOf = (c: Context): { task_id?: string; session_id?: string } => {
  const [, api, kind, id] = c.req.path.split('/')
  const asked = c.req.query('session_id')
  return {
    ...(asked !== undefined && { session_id: asked.slice(0, LONGEST) }),
    ...(api === 'api' && kind === 'tasks' && id?.startsWith('task-') && { task_id: id.slice(0, LONGEST) }),
    ...(api === 'api' && kind === 'sessions' && id && { session_id: id.slice(0, LONGEST) }),
  }
}

const LONGEST = 200
