/** Metadata of items and users, and findings in files: how they were read, and what is conspicuous in them. */
export const reading = {
  metaData: {
    columns: 'Columns',
    previewNamed: 'Preview of “{name}”',
    kindOf: '{column}: {kind}',
    downloadNamed: 'Download “{name}”',
    items: {
      title: 'Item metadata',
      lead: 'Titles, categories, prices and other attributes of your items. Recommendations then show item names, and new items can be recommended.',
      empty: 'No item metadata yet. It is optional: without it, items are shown by ID.',
      unnamed: 'Item metadata {id}',
      deleteTitle: 'Delete this item metadata?',
      deleteText: '“{name}” will be permanently deleted. Items will be shown by ID again.',
    },
    users: {
      title: 'User metadata',
      lead: 'Age groups, countries, interests and other attributes of your users. People without history get recommendations by their profile.',
      empty:
        'No user metadata yet. It is optional: without it, recommendations are based on interactions only.',
      unnamed: 'User metadata {id}',
      deleteTitle: 'Delete this user metadata?',
      deleteText:
        '“{name}” will be permanently deleted. People without history will no longer get recommendations by their profile.',
    },
  },
  reading: {
    title: 'Import details',
    examples: ' ({examples})',
    look: ' The values look like {guess}.',
    late: '{n} row is dated after the upload: {last}. It counts as {time}, the latest time before it. | {n} rows are dated after the upload, up to {last}. They count as {time}, the latest time before it.',
    allLate: 'Every row is dated after the upload, up to {last}. Check the time column.',
    notes: {
      times_read: 'Times in “{column}” were read as {guess}.',
      times_before1980:
        '{n} time in “{column}” is before 1980{examples}. Check the time column if your data is newer. | {n} times in “{column}” are before 1980{examples}. Check the time column if your data is newer.',
      times_after_upload:
        '{n} time in “{column}” is after the upload{examples}. | {n} times in “{column}” are after the upload{examples}.',
      ids_look_missing:
        '{n} row has an ID in “{column}” that looks like a missing value{examples}. It was kept as an ID. | {n} rows have an ID in “{column}” that looks like a missing value{examples}. They were kept as IDs.',
      ids_missing:
        '{n} row was rejected because “{column}” is missing{examples}. | {n} rows were rejected because “{column}” is missing{examples}.',
      ids_with_spaces:
        '{n} row has spaces around the ID in “{column}”{examples}. They are part of the ID. | {n} rows have spaces around the ID in “{column}”{examples}. They are part of the ID.',
      ids_differ_in_spaces:
        '{n} ID in “{column}” equals another one except for spaces{examples}. They are treated as two IDs. | {n} IDs in “{column}” equal another one except for spaces{examples}. They are treated as different IDs.',
      ids_read_as_whole_numbers:
        'IDs in “{column}” are decimal numbers; they were read as whole numbers (1 rather than 1.0).',
      ids_with_fraction:
        '{n} row has an ID with a fraction in “{column}”{examples}. Other files may write it differently. | {n} rows have an ID with a fraction in “{column}”{examples}. Other files may write it differently.',
      quotes_as_text:
        '{n} row has a quotation mark that does not enclose a whole field{examples}. It was read as text. | {n} rows have a quotation mark that does not enclose a whole field{examples}. It was read as text.',
      rows_over_lines:
        '{n} row has quotation marks around several lines that could be rows themselves{examples}. They were read as one field; remove the marks if they are text. | {n} rows have quotation marks around several lines that could be rows themselves{examples}. They were read as one field; remove the marks if they are text.',
      delimiter_found: 'Fields are separated by {guess}.',
      encoding_found: 'The text is encoded in {guess}.',
      carriage_returns: 'Lines end with a carriage return alone.',
      doubled_returns:
        '{n} line ends with two carriage returns. Both were read as part of the line end. | {n} lines end with two carriage returns. Both were read as part of the line end.',
      bytes_as_hex:
        '{n} row has bytes in “{column}” that are no text{examples}. They were kept as their hexadecimal digits. | {n} rows have bytes in “{column}” that are no text{examples}. They were kept as their hexadecimal digits.',
      backslash_escapes: 'Backslashes were read the way database dumps write them.',
      columns_full:
        '{n} value of changed items has no room, because item metadata may have at most 1,000 columns{examples}. These items keep their former rows until you send them again with fewer columns. | {n} values of changed items have no room, because item metadata may have at most 1,000 columns{examples}. These items keep their former rows until you send them again with fewer columns.',
    },
    /** The same, for notes about some rows only. */
    some: {
      times_read:
        '{n} time in “{column}” was read as {guess}. | {n} times in “{column}” were read as {guess}.',
      encoding_found:
        'The text is encoded in {guess}; {n} row was rejected because of it. | The text is encoded in {guess}; {n} rows were rejected because of it.',
    },
    guesses: {
      text: 'dates',
      typed: 'dates, as the column type says',
      unix_seconds: 'seconds since 1970',
      unix_millis: 'milliseconds since 1970',
      unix_micros: 'microseconds since 1970',
      unix_nanos: 'nanoseconds since 1970',
      year: 'years (2020)',
      year_month: 'years and months (202001)',
      year_month_day: 'dates in digits (20200102)',
      year_to_hour: 'dates and hours in digits (2020010203)',
      year_to_minute: 'dates and times in digits (202001020304)',
      year_to_second: 'dates and times in digits (20200102030405)',
      excel_days: 'days as Excel counts them',
      unix_days: 'days since 1970',
      windows_ticks: 'Windows ticks since 1601',
      dotnet_ticks: '.NET ticks',
      since_start: 'time since the recording began, not dates',
      comma: 'commas',
      semicolon: 'semicolons',
      tab: 'tabs',
      pipe: 'vertical bars',
      double_colon: 'double colons',
      control_a: 'Ctrl-A characters',
      utf16_le: 'UTF-16 (little-endian)',
      utf16_be: 'UTF-16 (big-endian)',
      windows1252: 'Windows-1252 (Western European)',
      shift_jis: 'Shift_JIS (Japanese)',
    },
    kinds: { number: 'Number', boolean: 'True or false', list: 'List', text: 'Text' },
    notNumbers:
      '{n} of {cells} cells in “{column}” is not a number{examples}. Filters by number skip it. | {n} of {cells} cells in “{column}” are not numbers{examples}. Filters by number skip them.',
    formatted:
      '{n} cell in “{column}” has a currency or thousands separators{examples}. Write plain numbers to filter by them. | {n} cells in “{column}” have a currency or thousands separators{examples}. Write plain numbers to filter by them.',
  },
}
