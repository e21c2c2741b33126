import { mount } from '@vue/test-utils'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { defineComponent, h } from 'vue'
import { ApiError, errorFromBody } from '@/api/client'
import { i18n, type Locale } from '@/i18n'
import { refusalsInJapanese } from '@/i18n/ja-refusals'
import { translatedSentence } from '@/i18n/refusals'
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
    const server = [join(root, 'src'), join(root, 'crates')].flatMap(sources).join('\n')
    for (const code of Object.keys(refusalsInJapanese.codes)) expect(server, code).toContain(`"${code}"`)
    for (const sentence of Object.keys(refusalsInJapanese.sentences)) {
      expect(server.includes(`"${sentence.replaceAll('"', '\\"')}"`), sentence).toBe(true)
    }
  })

  it('name no value that the server does not', () => {
    for (const [english, japanese] of Object.entries(refusalsInJapanese.sentences)) {
      const values = english.match(/\{[^{}]*\}/g)?.length ?? 0
      for (const [, place] of japanese.matchAll(/\{(\d)\}/g))
        expect(Number(place), english).toBeLessThan(values)
    }
  })
})
