import { readCatalogue, type CatalogueUser } from '@/api/catalogue'

/**
 * Returns how many users a project has, and some of them, beginning with one of middle activity: the catalogue begins with the
 * most active one, whose list has little that others would get.
 */
export async function readMiddleUsers(
  project: number,
  size: number,
  signal?: AbortSignal,
): Promise<{ count: number; users: CatalogueUser[] }> {
  const first = await readCatalogue('users', project, { page_size: size }, signal)
  const middle = Math.max(Math.ceil(first.count / 2) - 1, 0)
  const page = Math.floor(middle / size) + 1
  const { results } =
    page === 1 ? first : await readCatalogue('users', project, { page, page_size: size }, signal)
  const at = middle % size
  return { count: first.count, users: [...results.slice(at), ...results.slice(0, at)] }
}
