// Runs before the first paint, so that a dark page never flashes white.
;(function () {
  var theme = null
  var locale = null
  try {
    theme = localStorage.getItem('recotem.theme')
    locale = localStorage.getItem('recotem.locale')
  } catch {
    // Storage may be forbidden; the system's preference is enough.
  }
  var dark =
    theme === 'dark' || (theme !== 'light' && window.matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
  if (locale) document.documentElement.lang = locale
})()
