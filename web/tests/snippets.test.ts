import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { SNIPPETS, javascript, php, python, type Asked } from '@/lib/snippets'

const VALUES = {
  baseUrl: 'https://shop.example',
  projectId: 7,
  key: 'rctm_abc',
  asked: { user_id: 'user 1' },
}
/** Everything that ends a text early in one of the languages. */
const ODD = `a'b"c\\d$e{$f}\`g\`\${h}\n\t\b\u0001\u2028\ufeff日本😀<?php ?>%s !`

describe('snippets', () => {
  it('name the address, the key and the user in each language', () => {
    for (const { write } of SNIPPETS) {
      const program = write(VALUES)
      expect(program).toContain('https://shop.example/inference/predict/project/7')
      expect(program).toContain('rctm_abc')
      expect(program).toContain('user 1')
      expect(program.endsWith('\n')).toBe(true)
      expect(program).not.toContain('undefined')
    }
  })

  it('ask for items like others, and for what goes with the latest ones', () => {
    const written = (asked: Asked) => SNIPPETS.map(({ write }) => write({ ...VALUES, asked }))
    const [curl, js, py, phpText, go] = written({ anchor_items: ['a', 'b"'] })
    expect(curl).toContain(`'{"anchor_items":["a","b\\""],"cutoff":10}'`)
    expect(js).toContain('{ anchor_items: ["a", "b\\""], cutoff: 10 }')
    expect(py).toContain('{"anchor_items": ["a", "b\\""], "cutoff": 10}')
    expect(phpText).toContain(`['anchor_items' => ["a", "b\\""], 'cutoff' => 10]`)
    expect(go).toContain('map[string]any{"anchor_items": []string{"a", "b\\""}, "cutoff": 10}')
    for (const program of written({ interactions: ['i7'] })) {
      expect(program).toContain('interactions')
      expect(program).not.toMatch(/user_id|anchor_items/)
    }
  })

  it('keep any user id as it is, in JavaScript', () => {
    const call = /JSON\.stringify\((.*)\),$/m.exec(javascript({ ...VALUES, asked: { user_id: ODD } }))?.[1]
    expect((new Function(`return ${call}`) as () => { user_id: string })().user_id).toBe(ODD)
  })

  it('keep any user id as it is, in a shell and in Python', () => {
    const line = SNIPPETS[0].write({ ...VALUES, asked: { user_id: ODD } })
    const body = execFileSync('sh', [
      '-c',
      line.replace('curl', 'curl() { for last; do :; done; printf %s "$last"; }\ncurl'),
    ])
    expect((JSON.parse(body.toString()) as { user_id: string }).user_id).toBe(ODD)
    const id = /json\.dumps\((\{.*\})\)\.encode/.exec(python({ ...VALUES, asked: { user_id: ODD } }))?.[1]
    expect(id).toContain('\\u2028')
    expect(id).not.toContain('\ufeff')
  })

  it('write ids for PHP without variables and with its own escapes', () => {
    const line = php({ ...VALUES, asked: { user_id: ODD } })
      .split('\n')
      .find((row) => row.includes('user_id'))
    expect(line).toContain('\\$e{\\$f}')
    expect(line).toContain('\\u{8}\\u{0001}\\u{2028}\\u{feff}')
    expect(php({ ...VALUES, asked: { user_id: '\\b$' } })).toContain('"\\\\b\\$"')
  })

  it('replace halves of characters, which no program may contain', () => {
    expect(javascript({ ...VALUES, asked: { user_id: 'a\ud800b' } })).toContain('a\ufffdb')
  })
})
