import type { Messages } from './en'

export const reading: Pick<Messages, 'metaData' | 'reading'> = {
  metaData: {
    columns: '列',
    previewNamed: '「{name}」のプレビュー',
    kindOf: '{column}：{kind}',
    downloadNamed: '「{name}」をダウンロード',
    items: {
      title: 'アイテム情報',
      lead: '名称、カテゴリ、価格などのアイテムの属性です。登録すると、推薦結果に名称が表示され、新着アイテムも推薦できるようになります。',
      empty: 'アイテム情報はまだありません。登録は任意です。登録しない場合、アイテムは ID で表示されます。',
      unnamed: 'アイテム情報 {id}',
      deleteTitle: 'アイテム情報を削除しますか？',
      deleteText: '「{name}」が完全に削除されます。アイテムは ID で表示されるようになります。',
    },
    users: {
      title: 'ユーザー情報',
      lead: '年代、国、興味などのユーザーの属性です。行動履歴のないユーザーにも、プロフィールに基づいて推薦できるようになります。',
      empty:
        'ユーザー情報はまだありません。登録は任意です。登録しない場合、行動履歴だけに基づいて推薦します。',
      unnamed: 'ユーザー情報 {id}',
      deleteTitle: 'ユーザー情報を削除しますか？',
      deleteText:
        '「{name}」が完全に削除されます。行動履歴のないユーザーには、プロフィールに基づく推薦ができなくなります。',
    },
  },
  reading: {
    title: '読み取り結果',
    examples: '（{examples}）',
    look: '値は{guess}のようです。',
    late: '{n} 行の日時がアップロードより後です（{last}）。それより前で最も新しい {time} として扱います。 | {n} 行の日時がアップロードより後です（最も遅いもので {last}）。それより前で最も新しい {time} として扱います。',
    allLate:
      'すべての行の日時がアップロードより後です（最も遅いもので {last}）。日時の列を確認してください。',
    notes: {
      times_read: '{column} の日時を{guess}として読み取りました。',
      times_before1980:
        '{column} の {n} 行の日時が 1980 年より前です{examples}。より新しいデータであれば、日時の列を確認してください。 | {column} の {n} 行の日時が 1980 年より前です{examples}。より新しいデータであれば、日時の列を確認してください。',
      times_after_upload:
        '{column} の {n} 行の日時がアップロードより後です{examples}。 | {column} の {n} 行の日時がアップロードより後です{examples}。',
      ids_look_missing:
        '{column} の {n} 行の ID が欠損値のように見えます{examples}。ID としてそのまま残しました。 | {column} の {n} 行の ID が欠損値のように見えます{examples}。ID としてそのまま残しました。',
      ids_missing:
        '{column} が欠損しているため {n} 行を除外しました{examples}。 | {column} が欠損しているため {n} 行を除外しました{examples}。',
      ids_with_spaces:
        '{column} の {n} 行で ID の前後に空白があります{examples}。空白も ID の一部として扱います。 | {column} の {n} 行で ID の前後に空白があります{examples}。空白も ID の一部として扱います。',
      ids_differ_in_spaces:
        '{column} の {n} 件の ID は、空白だけが異なる別の ID があります{examples}。別々の ID として扱います。 | {column} の {n} 件の ID は、空白だけが異なる別の ID があります{examples}。別々の ID として扱います。',
      ids_read_as_whole_numbers:
        '{column} の ID は小数でしたが、整数として読み取りました（1.0 ではなく 1）。',
      ids_with_fraction:
        '{column} の {n} 行の ID に小数部があります{examples}。ほかのファイルでは書き方が異なるかもしれません。 | {column} の {n} 行の ID に小数部があります{examples}。ほかのファイルでは書き方が異なるかもしれません。',
      quotes_as_text:
        '{n} 行に、項目全体を囲んでいない引用符があります{examples}。文字として読み取りました。 | {n} 行に、項目全体を囲んでいない引用符があります{examples}。文字として読み取りました。',
      rows_over_lines:
        '{n} 行で、それぞれが行かもしれない複数の行を引用符が囲んでいます{examples}。1 つの項目として読み取りました。引用符が文字であれば取り除いてください。 | {n} 行で、それぞれが行かもしれない複数の行を引用符が囲んでいます{examples}。1 つの項目として読み取りました。引用符が文字であれば取り除いてください。',
      delimiter_found: '区切り文字は{guess}です。',
      encoding_found: '文字コードは {guess} です。',
      carriage_returns: '行末が復帰文字（CR）だけです。',
      doubled_returns:
        '{n} 行の行末に復帰文字（CR）が 2 つあります。どちらも行末として読み取りました。 | {n} 行の行末に復帰文字（CR）が 2 つあります。どちらも行末として読み取りました。',
      bytes_as_hex:
        '{column} の {n} 行に、文字として読めないバイト列があります{examples}。16 進数の文字列として残しました。 | {column} の {n} 行に、文字として読めないバイト列があります{examples}。16 進数の文字列として残しました。',
      backslash_escapes: 'バックスラッシュを、データベースのダンプの形式として読み取りました。',
      columns_full:
        '列は 1,000 列までのため、変更されたアイテムの {n} 個の値を反映できません{examples}。列を減らして送り直すまで、これらのアイテムには変更前の行が使われます。 | 列は 1,000 列までのため、変更されたアイテムの {n} 個の値を反映できません{examples}。列を減らして送り直すまで、これらのアイテムには変更前の行が使われます。',
    },
    some: {
      times_read:
        '{column} の {n} 件の日時を{guess}として読み取りました。 | {column} の {n} 件の日時を{guess}として読み取りました。',
      encoding_found:
        '文字コードは {guess} です。そのため {n} 行を除外しました。 | 文字コードは {guess} です。そのため {n} 行を除外しました。',
    },
    guesses: {
      text: '日付',
      typed: '日付（列の型による）',
      unix_seconds: '西暦 1970 年からの秒数',
      unix_millis: '西暦 1970 年からのミリ秒数',
      unix_micros: '西暦 1970 年からのマイクロ秒数',
      unix_nanos: '西暦 1970 年からのナノ秒数',
      year: '年（2020）',
      year_month: '年月（202001）',
      year_month_day: '数字だけの日付（20200102）',
      year_to_hour: '数字だけの日付と時（2020010203）',
      year_to_minute: '数字だけの日時（202001020304）',
      year_to_second: '数字だけの日時（20200102030405）',
      excel_days: 'Excel の日数',
      unix_days: '西暦 1970 年からの日数',
      windows_ticks: '西暦 1601 年からの Windows ティック',
      dotnet_ticks: '.NET のティック',
      since_start: '日付ではなく記録開始からの経過時間',
      comma: 'カンマ',
      semicolon: 'セミコロン',
      tab: 'タブ',
      pipe: '縦棒',
      double_colon: '二重コロン',
      control_a: 'Ctrl-A 文字',
      utf16_le: 'UTF-16（リトルエンディアン）',
      utf16_be: 'UTF-16（ビッグエンディアン）',
      windows1252: 'Windows-1252（西欧）',
      shift_jis: 'Shift_JIS（日本語）',
    },
    kinds: { number: '数値', boolean: '真偽値', list: 'リスト', text: '文字列' },
    notNumbers:
      '{column} の {cells} セル中 {n} セルが数値ではありません{examples}。数値のフィルターの対象外になります。 | {column} の {cells} セル中 {n} セルが数値ではありません{examples}。数値のフィルターの対象外になります。',
    formatted:
      '{column} の {n} セルに通貨記号や桁区切りがあります{examples}。フィルターに使うには数字だけで入力してください。 | {column} の {n} セルに通貨記号や桁区切りがあります{examples}。フィルターに使うには数字だけで入力してください。',
  },
}
