import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { ApiError } from '@/api/client'
import { FILE_ROLES, guessColumns, type FileRole, type Guess, type Problem } from '@/api/studio'
import { useCountdown } from '@/lib/countdown'
import {
  headsOf,
  looksLikeData,
  withDropped,
  withMoved,
  type Displaced,
  type StudioFiles,
} from '@/lib/studio-files'
import {
  areApart,
  draftOf,
  mistakesOf,
  needsLook,
  repeatedNames,
  type ColumnDraft,
  type MappingDraft,
} from '@/lib/studio-mapping'

const TOO_MANY = 429
/** Seconds to wait where the server gives none. */
const A_MINUTE = 60
/** What the server says of a file whose only row it has ignored. */
export const NO_ROWS = 'The file has a header but no rows.'

/** The files and the mapping of the next run. They outlive the page, so that a run can be repeated with other columns. */
export const useStudioDraft = defineStore('studio', () => {
  const files = shallowRef<StudioFiles>({})
  const guess = shallowRef<Guess | null>(null)
  const mapping = ref<MappingDraft>({})
  const isGuessing = ref(false)
  const error = shallowRef<unknown>(null)
  /** Whether a file is too large to be guessed before it has been sent. */
  const isTooLarge = ref(false)
  /** Whether the reader goes on with files that do not seem to fit together. */
  const isAccepted = ref(false)
  /** What became of files for which there was no place when others were added. */
  const displaced = shallowRef<Displaced[]>([])
  /** Whole files of which the server has ignored the last row. */
  const shortened = shallowRef<FileRole[]>([])
  let cancel = () => {}
  const waiting = useCountdown(() => void ask())

  const roles = computed(() => FILE_ROLES.filter((role) => files.value[role]))
  const mistakes = computed(() =>
    roles.value.flatMap((file) =>
      mistakesOf(file, mapping.value[file] ?? []).map((row) => ({ file, ...row })),
    ),
  )
  const unsure = computed(
    () => roles.value.flatMap((file) => (mapping.value[file] ?? []).filter(needsLook)).length,
  )

  const isApart = computed(() => !isAccepted.value && areApart(guess.value))
  const isEmpty = (role: FileRole) => files.value[role]?.size === 0
  const isHeadless = (role: FileRole) => looksLikeData(guess.value?.files[role]?.columns ?? [])
  /** Returns what is wrong with a file, without what only seems so because a row was ignored. */
  const problemsOf = (role: FileRole): Problem[] =>
    (guess.value?.files[role]?.problems ?? []).filter(
      ({ text }) => !(text === NO_ROWS && shortened.value.includes(role)),
    )
  /** What prevents a run: files that cannot be used as they are, and columns of one name that cannot be told apart. */
  const errors = computed(() =>
    roles.value.flatMap((role) => {
      const repeated = repeatedNames(mapping.value[role] ?? [])
      return problemsOf(role)
        .filter(({ severity, column }) =>
          column === null ? severity === 'error' : repeated.includes(column),
        )
        .map(({ text }) => ({ name: files.value[role]?.name ?? '', text }))
    }),
  )

  /** Takes a guess: of the server before a run, or of its refusal to begin one without a mapping. */
  function take(found: Guess) {
    guess.value = found
    mapping.value = draftOf(found)
    error.value = null
  }

  async function ask() {
    cancel()
    waiting.stop()
    guess.value = null
    mapping.value = {}
    error.value = null
    isTooLarge.value = false
    isAccepted.value = false
    isGuessing.value = roles.value.some((role) => !isEmpty(role))
    if (!isGuessing.value) return
    let isWanted = true
    let handle: ReturnType<typeof guessColumns> | undefined
    cancel = () => {
      isWanted = false
      handle?.cancel()
    }
    try {
      const heads = await headsOf(files.value)
      if (!isWanted) return
      isTooLarge.value = heads === null
      if (!heads) return
      shortened.value = heads.shortened
      handle = guessColumns(heads.files, heads.isHead)
      const found = await handle.done
      if (isWanted) take(found)
    } catch (cause) {
      if (!isWanted) return
      if (cause instanceof ApiError && cause.status === TOO_MANY) waiting.start(cause.retryAfter ?? A_MINUTE)
      else error.value = cause
    } finally {
      if (isWanted) isGuessing.value = false
    }
  }

  function set(next: StudioFiles, unplaced: Displaced[] = []) {
    files.value = next
    displaced.value = unplaced
    void ask()
  }
  function add(dropped: File[]) {
    const next = withDropped(files.value, dropped)
    set(next.files, next.displaced)
  }
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

  /** Takes a guess as right. */
  const confirm = (file: FileRole, at: number) => change(file, at, {})

  /** Takes the guesses out of a refusal; returns whether it had any. */
  function takeFrom(refusal: unknown): boolean {
    const { code, guesses } = ((refusal instanceof ApiError && refusal.body) || {}) as {
      code?: string
      guesses?: Guess
    }
    if (code !== 'mapping_needed' || !guesses) return false
    isAccepted.value = false
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
    isAccepted,
    displaced,
    /** Seconds until the files are read again, after the server has refused because of many requests. */
    waiting: waiting.seconds,
    roles,
    mistakes,
    unsure,
    isApart,
    errors,
    isEmpty,
    isHeadless,
    problemsOf,
    add,
    put,
    move,
    remove,
    change,
    confirm,
    takeFrom,
    retry: ask,
    clear,
  }
})
