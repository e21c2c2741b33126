import axe from 'axe-core'

const GRAVE = ['serious', 'critical']
/** What depends on colours, and is looked at in both themes. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block']

/**
 * Returns the serious and critical findings of axe on a page as it is now, in its theme and in the other one. The page has to
 * take its theme from the system.
 */
export async function findingsOf(page, name) {
  // The policy of the server allows no script of ours; what the protocol of the browser runs is not subject to it.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source)
  const isDark = await page.evaluate(() => document.documentElement.classList.contains('dark'))
  const themes = isDark ? ['dark', 'light'] : ['light', 'dark']
  const asItIs = await look(page, {})
  await show(page, themes[1])
  const inTheOther = await look(page, { runOnly: { type: 'rule', values: OF_COLOURS } })
  await show(page, themes[0])
  const text = (theme) => (finding) => `${name} (${theme}): ${finding}`
  return [...asItIs.map(text(themes[0])), ...inTheOther.map(text(themes[1]))]
}

async function show(page, theme) {
  await page.emulateMedia({ colorScheme: theme })
  await page.waitForFunction(
    (dark) => document.documentElement.classList.contains('dark') === dark,
    theme === 'dark',
  )
}

async function look(page, options) {
  const violations = await page.evaluate(async (wanted) => {
    // What is half faded in has the colours of neither end.
    for (const animation of document.getAnimations())
      if (Number.isFinite(animation.effect?.getComputedTiming().endTime)) animation.finish()
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], ...wanted })
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.map(({ target, failureSummary }) => ({ target, failureSummary })),
    }))
  }, options)
  return violations
    .filter(({ impact }) => GRAVE.includes(impact))
    .flatMap(({ id, nodes }) =>
      nodes.map(
        ({ target, failureSummary }) =>
          `${id}: ${target.join(' ')}: ${failureSummary.split('\n').slice(1).join(' ').trim()}`,
      ),
    )
}
