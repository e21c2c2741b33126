import { describe, expect, it } from 'vitest'
import { en } from '@/i18n/en'
import { ja } from '@/i18n/ja'

type Tree = { [key: string]: string | Tree }

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const out = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') out.set(prefix + key, value)
    else for (const entry of flatten(value, `${prefix}${key}.`)) out.set(...entry)
  }
  return out
}

const english = flatten(en)
const japanese = flatten(ja)
const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort()

describe('messages', () => {
  it('exist in both languages', () => {
    expect([...japanese.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('are never empty', () => {
    for (const [key, text] of [...english, ...japanese]) expect(text.trim(), key).not.toBe('')
  })

  it('name the same values in both languages', () => {
    for (const [key, text] of english)
      expect(placeholders(japanese.get(key) ?? ''), key).toEqual(placeholders(text))
  })

  it('are translated: Japanese texts do not repeat the English ones', () => {
    for (const [key, text] of english) expect(japanese.get(key), key).not.toBe(text)
  })
})
