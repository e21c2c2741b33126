import { describe, expect, it } from 'vitest'
import type { Guess } from '@/api/studio'
import { factsIn, lookOfCatalogued, lookOfListed, titleColumnOf } from '@/lib/item-look'
import { newItemsQuality, qualityOf } from '@/lib/quality'
import { headsOf, projectName, roleByName, withDropped, withMoved } from '@/lib/studio-files'
import { confidenceOf, draftOf, mappingOf, mistakesOf } from '@/lib/studio-mapping'

const file = (name: string, size = 10) => new File([new Uint8Array(size)], name)
const names = (files: Partial<Record<string, File>>) =>
  Object.fromEntries(Object.entries(files).map(([role, row]) => [role, row?.name]))
const MIB = 1024 * 1024

describe('dropped files', () => {
  it('are told apart by their names', () => {
    expect(['events.csv', 'user_events.csv', '購入履歴.csv'].map(roleByName)).toEqual(
      Array(3).fill('interactions'),
    )
    expect(['movies.csv', '商品マスタ.csv', 'catalogue.parquet'].map(roleByName)).toEqual(
      Array(3).fill('items'),
    )
    expect(['customers.csv', '会員.csv'].map(roleByName)).toEqual(Array(2).fill('users'))
    expect(roleByName('export.csv')).toBeUndefined()
  })

  it('go where they belong, or else where there is room', () => {
    const both = withDropped({}, [file('items.csv'), file('export.csv')])
    expect(names(both)).toEqual({ items: 'items.csv', interactions: 'export.csv' })
    const two = withDropped({}, [file('items.csv'), file('items-2.csv')])
    expect(names(two)).toEqual({ items: 'items.csv', interactions: 'items-2.csv' })
    expect(names(withDropped(both, [file('items-new.csv')]))).toEqual({
      items: 'items-new.csv',
      interactions: 'export.csv',
    })
  })

  it('change places when one is moved', () => {
    const files = withDropped({}, [file('items.csv'), file('events.csv')])
    expect(names(withMoved(files, 'items', 'interactions'))).toEqual({
      items: 'events.csv',
      interactions: 'items.csv',
    })
    expect(names(withMoved({ items: file('a.csv') }, 'items', 'users'))).toEqual({ users: 'a.csv' })
  })

  it('are sent by their first MiB, or whole if they cannot be cut', () => {
    const exact = headsOf({ interactions: file('a.csv', MIB) })
    expect([exact?.isHead, exact?.files.interactions?.size]).toEqual([false, MIB])
    const cut = headsOf({ interactions: file('a.csv', MIB + 1), items: file('b.csv.gz', 20) })
    expect([cut?.isHead, cut?.files.interactions?.size, cut?.files.items?.size]).toEqual([true, MIB, 20])
    expect(headsOf({ items: file('b.csv.gz', 8 * MIB) })?.isHead).toBe(false)
    expect(headsOf({ items: file('b.csv.gz', 8 * MIB + 1) })).toBeNull()
    expect(headsOf({ items: file('b.json', 8 * MIB + 1) })).toBeNull()
  })

  it('name the project', () => {
    expect(projectName({ interactions: file('my_shop-events.csv.gz') }, 'today')).toBe(
      'My shop events, today',
    )
    expect(projectName({ users: file('a.csv') }, 'today')).toBe('')
  })
})

const column = (name: string, role: string, confidence = 0.9, kind: string | null = null) => ({
  name,
  samples: ['1'],
  role,
  kind,
  confidence,
  reason: 'its name',
})
const GUESS = {
  files: {
    interactions: {
      name: 'a.csv',
      rows_seen: 2,
      columns: [column('u', 'user_id'), column('i', 'item_id'), column('x', 'ignored', 0.3)],
      problems: [],
    },
    items: {
      name: 'b.csv',
      rows_seen: 2,
      columns: [column('i', 'item_id'), column('price', 'feature', 0.9, 'number')],
      problems: [],
    },
    users: null,
  },
  is_sure: false,
  problems: [],
} as unknown as Guess

describe('a mapping', () => {
  it('is sent as it was guessed', () => {
    expect(mappingOf(draftOf(GUESS))).toEqual({
      interactions: { u: 'user_id', i: 'item_id', x: 'ignored' },
      items: { i: 'item_id', price: { role: 'feature', kind: 'number' } },
    })
  })

  it('needs each id once', () => {
    const columns = draftOf(GUESS).interactions ?? []
    expect(mistakesOf('interactions', columns)).toEqual([])
    if (columns[2]) columns[2].role = 'user_id'
    expect(mistakesOf('interactions', columns)).toEqual([{ role: 'user_id', kind: 'twice' }])
    for (const row of columns) row.role = 'ignored'
    expect(mistakesOf('interactions', columns).map((row) => row.role)).toEqual(['user_id', 'item_id'])
  })

  it('says how sure each guess is', () => {
    expect([1, 0.95, 0.94, 0.8, 0.79].map(confidenceOf)).toEqual([
      'certain',
      'certain',
      'likely',
      'likely',
      'unsure',
    ])
  })
})

describe('a result in words', () => {
  const quality = (metric: string, score: number, popularity_score: number) =>
    qualityOf({ metric, score, popularity_score }).key
  it('tells a difference from none, and a worse model from a better one', () => {
    expect(quality('recall', 0.5, 0.3)).toBe('times')
    expect(quality('ndcg', 0.5, 0.3)).toBe('timesAsWell')
    expect(quality('ndcg', 0.31, 0.3)).toBe('same')
    expect(quality('ndcg', 0.2, 0.3)).toBe('worse')
    expect(quality('ndcg', 0.2, 0)).toBe('fromNothing')
    expect(quality('ndcg', 0, 0)).toBe('same')
    expect(qualityOf(null).key).toBe('unmeasured')
    const ofNewItems = [0.3, 0.1, 0.05].map((score) => newItemsQuality({ score, baseline: 0.1 }))
    expect(ofNewItems).toEqual(['timesAsWell', 'same', 'worse'])
  })
})

describe('the look of an item', () => {
  const listed = (metadata: object | null) =>
    lookOfListed({ item_id: '7', score: 1, metadata, because: null, cold: false } as never)

  it('is found by the names of columns, the best first', () => {
    expect(listed({ name: 'B', Title: 'A', 'Image URL': 'https://x.example/a.png' })).toEqual({
      id: '7',
      title: 'A',
      image: 'https://x.example/a.png',
    })
    expect(titleColumnOf({ ﾀｲﾄﾙ: 'a' })).toBe('ﾀｲﾄﾙ')
    expect(listed(null)).toEqual({ id: '7', title: '7', image: null })
    expect(listed({ title: '  ' }).title).toBe('7')
  })

  it('has only pictures that come over HTTPS', () => {
    for (const image of ['http://x.example/a.png', 'javascript:alert(1)', '//x.example/a', 'data:image/png,'])
      expect(listed({ image }).image, image).toBeNull()
    const item = { item_id: '7', title: null, image_url: 'http://x.example/a.png', interactions: 1 }
    expect(lookOfCatalogued(item)).toEqual({ id: '7', title: '7', image: null })
  })

  it('has facts without links and titles', () => {
    const facts = factsIn({
      title: 'A',
      genre: 'x|y',
      tags: ['a', 'b'],
      link: 'https://x',
      year: 1984,
      no: null,
    })
    expect(facts).toEqual([
      ['genre', 'x, y'],
      ['tags', 'a, b'],
      ['year', '1984'],
    ])
  })
})
