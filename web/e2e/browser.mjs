import { chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Chromium with a fresh profile. */
export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS })

/** A page that collects what the browser complains about, violations of the content security policy included. */
export async function watchedPage(context) {
  const page = await context.newPage()
  const complaints = []
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // A refused request is part of a conversation (no user is logged in yet); the pages say what it means.
    const expected = /Failed to load resource/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !expected)
      complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.setDefaultTimeout(45_000)
  return { page, complaints }
}

export const byTestId = (page, id) => page.locator(`[data-testid="${id}"]`)
