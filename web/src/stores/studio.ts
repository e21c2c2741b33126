import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { ApiError } from '@/api/client'
import { FILE_ROLES, guessColumns, type FileRole, type Guess } from '@/api/studio'
import { headsOf, withDropped, withMoved, type StudioFiles } from '@/lib/studio-files'
import { draftOf, mistakesOf, needsLook, type ColumnDraft, type MappingDraft } from '@/lib/studio-mapping'

/** The files and the mapping of the next run. They outlive the page, so that a run can be repeated with other columns. */
export const useStudioDraft = defineStore('studio', () => {
  const files = shallowRef<StudioFiles>({})
  const guess = shallowRef<Guess | null>(null)
  const mapping = ref<MappingDraft>({})
  const isGuessing = ref(false)
  const error = shallowRef<unknown>(null)
  /** Whether a file is too large to be guessed before it has been sent. */
  const isTooLarge = ref(false)
  let cancel = () => {}

  const roles = computed(() => FILE_ROLES.filter((role) => files.value[role]))
  const mistakes = computed(() =>
    roles.value.flatMap((file) =>
      mistakesOf(file, mapping.value[file] ?? []).map((row) => ({ file, ...row })),
    ),
  )
  const unsure = computed(
    () => roles.value.flatMap((file) => (mapping.value[file] ?? []).filter(needsLook)).length,
  )

  /** Takes a guess: of the server before a run, or of its refusal to begin one without a mapping. */
  function take(found: Guess) {
    guess.value = found
    mapping.value = draftOf(found)
    error.value = null
  }

  async function ask() {
    cancel()
    guess.value = null
    mapping.value = {}
    error.value = null
    const heads = headsOf(files.value)
    isTooLarge.value = heads === null
    isGuessing.value = heads !== null && roles.value.length > 0
    if (!heads || !isGuessing.value) return
    const handle = guessColumns(heads.files, heads.isHead)
    let isWanted = true
    cancel = () => {
      isWanted = false
      handle.cancel()
    }
    try {
      const found = await handle.done
      if (isWanted) take(found)
    } catch (cause) {
      if (isWanted) error.value = cause
    } finally {
      if (isWanted) isGuessing.value = false
    }
  }

  function set(next: StudioFiles) {
    files.value = next
    void ask()
  }
  const add = (dropped: File[]) => set(withDropped(files.value, dropped))
  const put = (role: FileRole, file: File) => set({ ...files.value, [role]: file })
  const move = (from: FileRole, to: FileRole) => set(withMoved(files.value, from, to))
  function remove(role: FileRole) {
    const rest = { ...files.value }
    delete rest[role]
    set(rest)
  }
  function change(file: FileRole, at: number, part: Partial<ColumnDraft>) {
    const column = mapping.value[file]?.[at]
    if (column) Object.assign(column, part, { isChosen: true })
  }

  /** Takes the guesses out of a refusal; returns whether it had any. */
  function takeFrom(refusal: unknown): boolean {
    const { code, guesses } = ((refusal instanceof ApiError && refusal.body) || {}) as {
      code?: string
      guesses?: Guess
    }
    if (code !== 'mapping_needed' || !guesses) return false
    take(guesses)
    return true
  }

  function clear() {
    cancel()
    set({})
  }

  return {
    files,
    guess,
    mapping,
    isGuessing,
    error,
    isTooLarge,
    roles,
    mistakes,
    unsure,
    add,
    put,
    move,
    remove,
    change,
    takeFrom,
    retry: ask,
    clear,
  }
})
