import { mount } from '@vue/test-utils'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { defineComponent, h } from 'vue'
import { ApiError, errorFromBody } from '@/api/client'
import { i18n, type Locale } from '@/i18n'
import { refusalsInJapanese } from '@/i18n/ja-refusals'
import { translatedSentence } from '@/i18n/refusals'
import { APART } from '@/lib/studio-mapping'
import { NO_ROWS } from '@/stores/studio'
import { fieldError, useErrorText } from '@/lib/errors'

/** The text that a page shows for an error. */
function shown(error: unknown, locale: Locale): string {
  i18n.global.locale.value = locale
  const Page = defineComponent({
    setup() {
      const text = useErrorText()
      return () => h('p', text(error))
    },
  })
  return mount(Page, { global: { plugins: [i18n] } }).text()
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
}

describe('refusals in Japanese', () => {
  afterEach(() => (i18n.global.locale.value = 'en'))

  it('are found by their code, and keep the words of the server where there are no others', () => {
    const busy = errorFromBody(503, { detail: 'Too many at once.', code: 'busy' })
    expect(busy.code).toBe('busy')
    expect(shown(busy, 'ja')).toBe('サーバーが混み合っています。数秒待ってから再試行してください。')
    expect(shown(busy, 'en')).toBe('Too many at once.')
    const unknown = errorFromBody(409, { detail: 'Something new.', code: 'new' })
    expect(shown(unknown, 'ja')).toBe('Something new.')
    expect(shown(errorFromBody(429, { detail: 'Wait.' }, 7), 'ja')).toContain('7 秒後')
    expect(shown(errorFromBody(404, { detail: 'Not found.' }), 'ja')).toContain('存在しないか')
    expect(shown(errorFromBody(403, {}), 'ja')).toBe('この操作を行う権限がありません。')
  })

  it('are found by their sentence, with its values', () => {
    const cases: [string, string][] = [
      ['This field is required.', '必須項目です。'],
      ['Ensure this field has no more than 100 characters.', '100 文字以内で入力してください。'],
      ['Ensure this value is between 0.5 and 1.', '0.5 から 1 までの値を入力してください。'],
      [
        '"big" is not a valid choice. Choose one of: small, large.',
        '"big" は選択できません。次のいずれかを選択してください: small, large',
      ],
      [
        'This requires the role admin or higher; yours is viewer.',
        'この操作には「管理者」以上のロールが必要です（現在のロール: 閲覧者）。',
      ],
      [
        'The file has no column "user_id"; its columns are "a", "b".',
        'ファイルに列 "user_id" がありません。ファイルの列名と、プロジェクトの列の設定を確認してください。',
      ],
      [
        'The text is not UTF-8 at line 3 (it looks like Shift_JIS); save the file as UTF-8 and send it again.',
        'テキストの文字コードが UTF-8 ではありません（3 行目）。Shift_JIS の可能性があります。UTF-8 で保存し直してください（Excel では「CSV UTF-8」形式）。',
      ],
      [
        'The text is not UTF-8; save the file as UTF-8 and send it again.',
        'テキストの文字コードが UTF-8 ではありません。UTF-8 で保存し直してください（Excel では「CSV UTF-8」形式）。',
      ],
      [
        'No value of the time column "when" could be understood, for example "soon"; use Unix time, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, RFC 3339, YYYYMMDD or DD.MM.YYYY.',
        '日時の列 "when" の値をすべて読み取れませんでした（例: "soon"）。Unix 時間、YYYY-MM-DD、YYYY-MM-DD HH:MM:SS、RFC 3339、YYYYMMDD、DD.MM.YYYY のいずれかの形式にしてください。',
      ],
      [
        '2 of 10 rows of the file "interactions" could not be imported.',
        'ファイル「行動履歴」の 10 行中 2 行を取り込めませんでした。',
      ],
      [
        '2 of 10 rows of the file "items" could not be imported. The first is at line 4: no value for "item_id".',
        'ファイル「アイテム情報」の 10 行中 2 行を取り込めませんでした。最初は 4 行目です: 列 "item_id" に値がありません',
      ],
      [
        'There are no interactions. Send a file with what users did. Items are compared by what they have in common instead.',
        '行動履歴がありません。ユーザーの行動を記録したファイルを追加してください。代わりに、属性の近いアイテムを推薦します。',
      ],
    ]
    for (const [english, japanese] of cases) {
      expect(translatedSentence('ja', english)).toBe(japanese)
      expect(translatedSentence('en', english)).toBeUndefined()
    }
    expect(translatedSentence('ja', 'Something new.')).toBeUndefined()
  })

  it('show beside their fields', () => {
    const taken = errorFromBody(400, { name: ['You already have a project with this name.'] })
    i18n.global.locale.value = 'ja'
    expect(fieldError(taken, 'name')).toBe('同じ名前のプロジェクトがすでにあります。')
    i18n.global.locale.value = 'en'
    expect(fieldError(taken, 'name')).toBe('You already have a project with this name.')
    expect(fieldError(taken, 'size')).toBeUndefined()
    expect(fieldError(new ApiError(400, '', { name: ['New.'] }), 'name')).toBe('New.')
  })

  it('say what a field named code refuses', () => {
    const refused = errorFromBody(400, { code: ['This field is required.'] })
    expect([refused.code, refused.fields.code]).toEqual([null, ['This field is required.']])
  })

  it('are those that the server has', () => {
    const root = join(__dirname, '../..')
    // A literal that goes on in the next line is one.
    const server = [join(root, 'src'), join(root, 'crates')]
      .flatMap(sources)
      .join('\n')
      .replace(/\\\n\s*/g, '')
    for (const code of Object.keys(refusalsInJapanese.codes)) expect(server, code).toContain(`"${code}"`)
    for (const sentence of Object.keys(refusalsInJapanese.sentences)) {
      expect(server.includes(`"${sentence.replaceAll('"', '\\"')}"`), sentence).toBe(true)
    }
  })

  it('begin as the studio expects where files do not fit together', () => {
    const server = sources(join(__dirname, '../../src/features/studio/guess')).join('\n')
    for (const start of [...APART, NO_ROWS]) expect(server, start).toContain(`"${start}`)
  })

  it('name no value that the server does not', () => {
    for (const [english, japanese] of Object.entries(refusalsInJapanese.sentences)) {
      const values = english.match(/\{[^{}]*\}/g)?.length ?? 0
      for (const [, place] of japanese.matchAll(/\{(\d)\}/g))
        expect(Number(place), english).toBeLessThan(values)
    }
  })
})
