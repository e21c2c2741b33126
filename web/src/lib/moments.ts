const two = (value: number) => String(value).padStart(2, '0')

/** Returns the calendar day of a moment where the reader is, such as 2026-11-30. */
export const localDay = (moment: Date) =>
  `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`

/** Returns a moment as an input for local dates and times shows it, such as 2026-11-30T09:05. */
export const localMoment = (moment: Date) =>
  `${localDay(moment)}T${two(moment.getHours())}:${two(moment.getMinutes())}`
