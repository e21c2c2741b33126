import { describe, expect, it } from 'vitest'
import type { Guess } from '@/api/studio'
import { factsIn, lookOfCatalogued, lookOfListed } from '@/lib/item-look'
import { newItemsQuality, qualityOf } from '@/lib/quality'
import {
  headsOf,
  looksLikeData,
  projectName,
  roleByName,
  withDropped,
  withMoved,
  type StudioFiles,
} from '@/lib/studio-files'
import {
  areApart,
  areSwapped,
  confidenceOf,
  draftOf,
  mappingOf,
  mistakesOf,
  repeatedNames,
} from '@/lib/studio-mapping'

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

  const dropped = (files: StudioFiles, ...added: string[]) =>
    withDropped(
      files,
      added.map((name) => file(name)),
    )
  it('go where they belong, or else where there is room', () => {
    const both = dropped({}, 'items.csv', 'export.csv')
    expect(names(both.files)).toEqual({ items: 'items.csv', interactions: 'export.csv' })
    const two = dropped({}, 'items.csv', 'items-2.csv')
    expect(names(two.files)).toEqual({ items: 'items.csv', interactions: 'items-2.csv' })
    expect([both.displaced, two.displaced]).toEqual([[], []])
  })

  it('tell which file they replace, and which had no place', () => {
    const both = dropped({}, 'items.csv', 'export.csv').files
    const newer = dropped(both, 'items-new.csv')
    expect(names(newer.files)).toEqual({ items: 'items-new.csv', interactions: 'export.csv' })
    expect(newer.displaced).toEqual([{ kind: 'replaced', name: 'items.csv', by: 'items-new.csv' }])
    const many = dropped({}, 'a.csv', 'b.csv', 'c.csv', 'd.csv')
    expect(names(many.files)).toEqual({ interactions: 'a.csv', items: 'b.csv', users: 'c.csv' })
    expect(many.displaced).toEqual([{ kind: 'unused', name: 'd.csv' }])
    const full = dropped(many.files, 'users.csv', 'e.csv')
    expect(full.displaced).toEqual([
      { kind: 'replaced', name: 'c.csv', by: 'users.csv' },
      { kind: 'replaced', name: 'a.csv', by: 'e.csv' },
    ])
  })

  it('change places when one is moved', () => {
    const { files } = dropped({}, 'items.csv', 'events.csv')
    expect(names(withMoved(files, 'items', 'interactions'))).toEqual({
      items: 'events.csv',
      interactions: 'items.csv',
    })
    expect(names(withMoved({ items: file('a.csv') }, 'items', 'users'))).toEqual({ users: 'a.csv' })
  })

  it('name the project as none is named yet', () => {
    const files = { interactions: file('my_shop-events.csv.gz') }
    expect(projectName(files, 'today')).toBe('My shop events, today')
    const first = 'My shop events, today'
    expect(projectName(files, 'today', [first])).toBe('My shop events, today (2)')
    expect(projectName(files, 'today', [first, `${first} (2)`])).toBe('My shop events, today (3)')
    expect(projectName({ users: file('a.csv') }, 'today')).toBe('')
  })
})

describe('the beginnings of files', () => {
  const row = 'user,item,a text of some length\n'
  const lines = (name: string, size: number, last = '') =>
    new File([row.repeat(Math.ceil(size / row.length)).slice(0, size), last], name)
  const sizes = async (files: StudioFiles) => {
    const heads = await headsOf(files)
    const { interactions, items } = heads?.files ?? {}
    return heads && [heads.isHead, interactions?.size, items?.size, heads.shortened]
  }

  it('are sent of large interactions, up to the end of a row', async () => {
    expect(await sizes({ interactions: lines('a.csv', MIB) })).toEqual([false, MIB, undefined, []])
    const whole = Math.floor(MIB / row.length) * row.length
    const small = lines('b.csv', 20)
    expect(await sizes({ interactions: lines('a.csv', 2 * MIB), items: small })).toEqual([
      false,
      whole,
      20,
      [],
    ])
    const open = new File(['a,b\n1,"', 'x\n'.repeat(MIB)], 'a.csv')
    expect(await sizes({ interactions: open }), 'no row ends within a value').toEqual([
      false,
      4,
      undefined,
      [],
    ])
    const utf16 = new File([new Uint8Array(2 * MIB)], 'a.csv')
    expect(await sizes({ interactions: utf16 })).toEqual([true, MIB, undefined, []])
  })

  it('of other files leave whole ones their last row, which is then sent twice', async () => {
    const items = lines('items.csv', 2 * MIB)
    const second = async (text: string, name = 'a.csv') => {
      const heads = await headsOf({ interactions: new File([text], name), items })
      expect([heads?.isHead, heads?.files.items?.size]).toEqual([true, MIB])
      return heads?.files.interactions?.text()
    }
    expect(await second('u,i\n1,2\n')).toBe('u,i\n1,2\n1,2\n')
    expect(await second('u,i\r\n1,2')).toBe('u,i\r\n1,2\n1,2')
    expect(await second('u,i\n1,"a\nb"\n\n')).toBe('u,i\n1,"a\nb"\n\n1,"a\nb"\n\n')
    expect(await second('{"u":"\\""}\n', 'a.jsonl')).toBe('{"u":"\\""}\n{"u":"\\""}\n')
    expect(await second('packed', 'a.csv.gz')).toBe('packed')
    const packed = await headsOf({ interactions: file('a.csv.gz'), items })
    expect(packed?.shortened).toEqual(['interactions'])
  })

  it('are not needed of files that are empty, and cannot be had of packed ones', async () => {
    expect(await sizes({ interactions: file('a.csv', 0), items: file('b.csv') })).toEqual([
      false,
      undefined,
      10,
      [],
    ])
    expect((await headsOf({ items: file('b.csv.gz', 8 * MIB) }))?.isHead).toBe(false)
    expect(await headsOf({ items: file('b.csv.gz', 8 * MIB + 1) })).toBeNull()
    expect(await headsOf({ items: file('b.json', 8 * MIB + 1) })).toBeNull()
  })
})

describe('a first row without names', () => {
  const columns = (...rows: [string, ...string[]][]) =>
    looksLikeData(rows.map(([name, ...samples]) => ({ name, samples })))
  it('is one whose every name is a number, a date, or like the values below it', () => {
    expect(columns(['196', '186'], ['242', '302'], ['881250949', '891717742'])).toBe(true)
    expect(columns(['u7', 'u7', 'u12'], ['item-4', 'item-9'], ['2024-01-31 10:00:00', '2024-02-01'])).toBe(
      true,
    )
    expect(columns(['Tokyo', 'Osaka', 'Tokyo'], ['1', '2'])).toBe(true)
  })
  it('is not one of names', () => {
    expect(columns(['user_id', 'u1'], ['item_id', 'i1'])).toBe(false)
    expect(columns(['', '0', '1'], ['user', '7'])).toBe(false)
    expect(columns(['f1', '0.3'], ['f2', '0.4'])).toBe(false)
    expect(columns(['2024', 'x'], ['price', '3'])).toBe(false)
    expect(columns()).toBe(false)
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

  it('cannot tell columns of one name apart, unless none of them is used', () => {
    const columns = draftOf(GUESS).items ?? []
    const [first, second] = columns
    if (first && second) second.guess = { ...second.guess, name: first.guess.name }
    expect(repeatedNames(columns)).toEqual(['i'])
    for (const row of columns) row.role = 'ignored'
    expect(repeatedNames(columns)).toEqual([])
  })

  it('needs an answer where files do not fit together', () => {
    const sure = { interactions: { columns: [column('u', 'user_id')], problems: [] } }
    const apart = (problems: string[], more: object = {}) =>
      areApart({ is_sure: false, files: sure, problems, ...more } as unknown as Guess)
    const swapped = 'The files seem to be swapped: the one sent as items has users in it.'
    expect(apart([swapped])).toBe(true)
    expect(areSwapped({ problems: [swapped] } as unknown as Guess)).toBe(true)
    const few = '95 % of the item ids in the interactions have no row in the items file.'
    expect(apart([few])).toBe(true)
    expect(apart([few], { is_sure: true })).toBe(false)
    const unsure = { interactions: { columns: [column('u', 'user_id', 0.5)], problems: [] } }
    expect(apart([few], { files: unsure }), 'the columns are why the server is not sure').toBe(false)
    expect(apart([])).toBe(false)
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
  const columns = { title_column: 'artist_name', image_column: 'pic' }
  const listed = (metadata: object | null) => lookOfListed({ item_id: '7', metadata } as never, columns)

  it('is from the columns that the server names, and from no others', () => {
    const metadata = { title: 'B', artist_name: ' A ', image_url: '', pic: 'https://x.example/a.png' }
    expect(listed(metadata)).toEqual({ id: '7', title: 'A', image: 'https://x.example/a.png' })
    expect(listed({ artist_name: 1984 }).title).toBe('1984')
    const bare = { id: '7', title: '7', image: null }
    expect(listed({ title: 'B', image_url: 'https://x.example/a.png' })).toEqual(bare)
    expect(listed(null)).toEqual(bare)
    expect(listed({ artist_name: '  ' })).toEqual(bare)
    expect(lookOfListed({ item_id: '7', metadata: metadata as never }, undefined)).toEqual(bare)
    const unnamed = { title_column: null, image_column: null }
    expect(lookOfListed({ item_id: '7', metadata: metadata as never }, unnamed)).toEqual(bare)
  })

  it('has only pictures that come over HTTPS', () => {
    for (const image of ['http://x.example/a.png', 'javascript:alert(1)', '//x.example/a', 'data:image/png,'])
      expect(listed({ pic: image }).image, image).toBeNull()
    const item = { item_id: '7', title: null, image_url: 'http://x.example/a.png', interactions: 1 }
    expect(lookOfCatalogued(item)).toEqual({ id: '7', title: '7', image: null })
  })

  it('has facts without links, titles and pictures', () => {
    const metadata = {
      artist_name: 'A',
      pic: '/a.png',
      genre: 'x|y',
      tags: ['a', 'b'],
      link: 'https://x',
      year: 1984,
      no: null,
    }
    const facts = factsIn(metadata, columns)
    expect(facts).toEqual([
      ['genre', 'x, y'],
      ['tags', 'a, b'],
      ['year', '1984'],
    ])
  })
})
