/** The web console in a real browser, on a whole ALEX: what a person does with it. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { eventually } from '../support/processes.ts'
import { buildSizes, type Console, openPage, SHOTS, startConsole, WEB } from './console.ts'
import { longSession, script, WORDS } from './script.ts'

let alex: Console
beforeAll(async () => {
  alex = await startConsole()
  script(alex.model)
})
afterAll(() => alex?.[Symbol.asyncDispose]())

const open = async (path: string, options?: Parameters<typeof openPage>[2]) => {
  const page = await openPage(alex.browser, path.startsWith('http') ? path : alex.url + path, options)
  onTestFinished(() => page.close())
  return page
}
const submit = async (task: string, session_id?: string) => {
  const { task_id } = await alex.client.submit({ task, ...(session_id !== undefined && { session_id }) })
  return task_id
}
/** Its commands would hold up the end of the service. */
const submitEndless = async () => {
  const id = await submit('watch the build')
  onTestFinished(async () => {
    // It may have been cancelled by then.
    await alex.client.cancel(id).catch(() => {})
  })
  return id
}
const badge = (page: Page, status: string) => page.locator(`.title-row .badge[data-status=${status}]`)
const answer = (page: Page) => page.locator('.step .rich').last()
const CUT_OFF = `[...document.querySelectorAll('.table')]
  .filter((each) => each.scrollHeight > each.clientHeight + 2 && getComputedStyle(each).overflowY === 'hidden').length`
const overflow = (page: Page) =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')

test('a task is written, watched and answered', async () => {
  await rm(join(alex.workspace, 'go'), { force: true })
  const page = await open('/')
  await page.locator('.composer').waitFor()
  await page.keyboard.press('n')
  await page.keyboard.type('fix the greeting')
  await page.keyboard.press('Control+Enter')
  await page.waitForURL(/\/tasks\/task-/)

  const shell = page.getByRole('article', { name: 'Tool bash' })
  await shell.getByText('running', { exact: true }).waitFor()
  await page.getByText('I look at the file first').waitFor()
  await shell.locator('.output[data-live=true]', { hasText: /^(…\n)?green\n/ }).waitFor()
  await writeFile(join(alex.workspace, 'go'), '')

  const edit = page.getByRole('article', { name: 'Tool file_edit' })
  await edit.locator('tr[data-kind=added]').getByText('Hello, world').waitFor()
  await page
    .getByRole('article', { name: 'Tool file_read' })
    .locator('.tool-head')
    .getByText('no such file')
    .waitFor()
  await badge(page, 'completed').waitFor()
  await page.getByRole('cell', { name: 'greeting.txt', exact: true }).waitFor()

  await page.getByRole('textbox', { name: 'Task' }).fill('be quick')
  await page.getByRole('button', { name: 'Submit' }).click()
  await page.getByText('quick enough').waitFor()
  await page.locator('.facts').getByRole('link').first().click()
  await page.waitForURL(/\/sessions\//)
  await page.locator('.prompt-text', { hasText: 'be quick' }).waitFor()
  await page.keyboard.press('Home')
  await page.locator('.prompt-text', { hasText: 'fix the greeting' }).waitFor()
  expect(page.complaints).toEqual([])
})

test('words arrive as they are said, and none is lost or doubled by a reload or the death of the API', async () => {
  const page = await open(`/tasks/${await submit('many words')}`)
  await answer(page).getByText('word5 ').waitFor()
  expect(await answer(page).textContent()).not.toContain('word199')
  await page.reload()
  await answer(page).waitFor()
  await alex.killApi()
  await page.locator('.end').waitFor()
  expect(await answer(page).textContent()).toBe(WORDS)
  expect(await page.locator('.item').count()).toBe(3)
})

test('two tabs show the same, and a cancel in one is seen in the other', async () => {
  const id = await submitEndless()
  const one = await open(`/tasks/${id}`)
  const other = await open(`/tasks/${id}`)
  await one.getByText('building part').first().waitFor()
  await other.getByText('building part').first().waitFor()
  await one.getByRole('button', { name: 'Cancel' }).click()
  await badge(other, 'cancelled').waitFor()
  await badge(one, 'cancelled').waitFor()
  const [here, there] = await Promise.all([one, other].map((page) => page.locator('.items').innerText()))
  expect(here).toBe(there)
})

test('several tasks are cancelled from the list, by keys alone', async () => {
  const ids = [await submitEndless(), await submitEndless()]
  const page = await open('/?status=running&q=watch')
  await eventually(async () => (await page.locator('.row-link').count()) === 2)
  for (const key of ['j', 'x', 'j', 'x', 'c']) await page.keyboard.press(key)
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel 2 tasks' }).press('Enter')
  await page.getByText('2 tasks cancelled').waitFor()
  await page.getByText('No task is like that').waitFor()
  for (const id of ids) expect(await alex.client.task(id)).toMatchObject({ status: 'cancelled' })
})

test('a session of 5 000 events is read from end to end without all of it being in the page', async () => {
  await longSession(alex.store, 'long')
  const page = await open('/sessions/long')
  await page.getByText('A thousand it is.').waitFor()
  expect(await page.locator('.item').count()).toBeLessThan(60)
  const slowest = await page.evaluate<number>(`new Promise((resolve) => {
    const box = document.querySelector('.scroller')
    let last = performance.now(), gaps = [], left = 60
    const step = (now) => {
      gaps.push(now - last)
      last = now
      box.scrollTop -= box.scrollHeight / 60
      if (left-- > 0) requestAnimationFrame(step)
      else resolve(gaps.sort((a, b) => a - b)[Math.floor(gaps.length * 0.9)])
    }
    requestAnimationFrame(step)
  })`)
  expect(slowest).toBeLessThan(250)
  await page.keyboard.press('Home')
  await page.getByText('Number 1 comes next.', { exact: true }).waitFor()
  await page.keyboard.press('End')
  await page.getByText('A thousand it is.').waitFor()
})

test('a hostile answer does nothing', async () => {
  const page = await open(`/tasks/${await submit('be hostile')}`)
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  page.on('popup', (popup) => asked.push(`popup ${popup.url()}`))
  await answer(page).getByRole('link', { name: 'good' }).waitFor()
  expect(await answer(page).textContent()).toContain('still here')
  for (const text of ['click me', 'data', 'raw link']) {
    const shown = answer(page).getByText(text, { exact: true })
    if ((await shown.count()) > 0) await shown.click()
  }
  expect(await page.evaluate('window.pwned')).toBeUndefined()
  expect(await answer(page).locator('script, img, iframe, [onclick], [onerror]').count()).toBe(0)
  const links = answer(page).getByRole('link')
  expect(await links.evaluateAll((all) => all.map((link) => link.getAttribute('href')))).toEqual([
    'https://example.com/',
  ])
  expect(asked.filter((url) => !url.startsWith(alex.url))).toEqual([])
})

test('sessions are forked and deleted', async () => {
  await alex.client.wait(await submit('be quick', 'to-fork'))
  const page = await open('/sessions?q=be+quick')
  const row = page.getByRole('row').filter({ hasText: 'to-fork' })
  await row.getByRole('button', { name: /^Fork/ }).click()
  await page.getByText('quick enough').waitFor()
  const fork = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  expect(fork).not.toBe('to-fork')
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await page.waitForURL(/\/sessions$/)
  await expect(alex.client.session(fork)).rejects.toMatchObject({ status: 404 })
})

test('a token is asked for where one is needed, and is kept nowhere but in memory', async () => {
  const locked = await startApi({ tokens: ['secret-token'], webFolder: WEB })
  onTestFinished(() => locked[Symbol.asyncDispose]())
  const page = await open(locked.url)
  const dialog = page.getByRole('dialog', { name: 'This ALEX needs a token' })
  await dialog.getByLabel('Token').fill('a guess')
  await page.keyboard.press('Enter')
  await dialog.getByText('This token is not known.').waitFor()
  await dialog.getByLabel('Token').fill('secret-token')
  await page.keyboard.press('Enter')
  await page.getByText('No tasks yet').waitFor()
  const kept = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])'
  expect(await page.evaluate(kept)).not.toContain('secret-token')
  await page.reload()
  await dialog.waitFor()
})

test('the console is small and paints at once', async () => {
  const { js } = await buildSizes()
  expect(js).toBeLessThan(200_000)
  // Other tests keep the machine busy: the best of three says what the console itself takes.
  const times: number[] = []
  for (let left = 3; left > 0; left -= 1) {
    const page = await open('/')
    await page.locator('.composer').waitFor()
    const painted = `performance.getEntriesByName('first-contentful-paint')[0]?.startTime`
    await eventually(async () => (await page.evaluate(painted)) !== undefined)
    times.push(await page.evaluate<number>(painted))
  }
  expect(Math.min(...times)).toBeLessThan(1000)
})

test('every page is usable by everybody, at both widths and in both themes', async () => {
  await mkdir(SHOTS, { recursive: true })
  await writeFile(join(alex.workspace, 'go'), '')
  const done = await submit('fix the greeting', 'tour')
  const running = await submitEndless()
  await alex.client.wait(done)
  const views = (['light', 'dark'] as const).flatMap((colorScheme) =>
    [1440, 390].map((width) => ({ colorScheme, width })),
  )
  await Promise.all(
    views.map(async ({ colorScheme, width }) => {
      const page = await open('/', { colorScheme, viewport: { width, height: width === 390 ? 844 : 900 } })
      const look = async (name: string) => {
        await page.screenshot({ path: join(SHOTS, `${name}-${width}-${colorScheme}.png`) })
        expect([name, await overflow(page)]).toEqual([name, 0])
        // A list that is cut off cannot be scrolled to its end.
        expect([name, await page.evaluate(CUT_OFF)]).toEqual([name, 0])
        if (width === 390 && (colorScheme === 'dark' || !['tasks', 'task'].includes(name))) return
        await page.evaluate(axe.source)
        const { violations } = await page.evaluate<axe.AxeResults>("axe.run({ resultTypes: ['violations'] })")
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
        expect(serious.map(({ id, nodes }) => [name, id, nodes.map(({ html }) => html)])).toEqual([])
      }
      await page.locator('.row-link').first().waitFor()
      await look('tasks')
      await page.getByText('Agent, tools, model, budget').click()
      await page.getByLabel('Tools').selectOption('safe')
      await page.getByText('code_execute').waitFor()
      await look('composer')
      await page.getByText('Agent, tools, model, budget').click()
      for (const [name, path, ready] of [
        ['task', `/tasks/${done}`, '.rich table'],
        ['running', `/tasks/${running}`, '.output[data-live=true]'],
        ['session', '/sessions/tour', '.rich table'],
        ['sessions', '/sessions', '.row-link'],
        ['fleet', '/fleet', '.worker'],
      ] as const) {
        await page.evaluate(`history.pushState(null, '', '${path}')`)
        await page.locator(ready).first().waitFor()
        await look(name)
      }
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keys' }).waitFor()
      await look('keys')
      expect(page.complaints).toEqual([])
    }),
  )
})
