// @vitest-environment node
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'
import { expect, it, vi } from 'vitest'
import document from '../openapi.json?raw'
import written from '../src/api/schema.d.ts?raw'

// The document is large, and a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

it('the API types are those of the API document: npm run api-types', async () => {
  const generated = COMMENT_HEADER + astToString(await openapiTS(document))
  expect(written).toBe(generated)
})
