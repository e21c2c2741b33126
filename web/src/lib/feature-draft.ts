import { computed, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import type { FeatureColumns, FeatureSet, FeatureSpec, Field } from '@/api/features'
import { mistakesOf, rowOf, rowsOf, specOf, specText, withColumns, type DraftRow } from './feature-spec'

/**
 * The spec that is being edited. It begins with the current version, or with the guess if there is none; what other users save
 * never overwrites it.
 */
export function useFeatureDraft(
  columns: () => FeatureColumns | undefined,
  sets: () => FeatureSet[] | undefined,
) {
  const { t } = useI18n()
  const rows = shallowRef<DraftRow[]>([])
  /** The version that the next one follows; null for a guess. */
  const base = shallowRef<FeatureSet | null>(null)
  const name = ref('')
  const isLoaded = ref(false)
  const savedText = ref('')

  const spec = computed(() => specOf(rows.value))
  const isChanged = computed(() => isLoaded.value && specText(spec.value) !== savedText.value)
  const names = computed(() => new Set(columns()?.columns.map((column) => column.column)))
  const mistake = computed(() => {
    const used = rows.value.filter((row) => row.used)
    if (used.length === 0) return 'features.mistakes.none'
    const isWrong = used.some((row) => Object.keys(mistakesOf(row.field, names.value)).length > 0)
    return isWrong ? 'features.mistakes.some' : null
  })

  function begin(saved: FeatureSpec, set: FeatureSet | null, shown = saved) {
    base.value = set
    name.value = set?.name ?? t('features.defaultName')
    savedText.value = specText(saved)
    rows.value = rowsOf(shown, columns()?.columns ?? [])
    isLoaded.value = true
  }

  const newest = (of: string) => sets()?.find((set) => set.name === of)

  /** Shows a version. It replaces what the newest version of its set says, once saved. */
  function open(set: FeatureSet) {
    const follows = newest(set.name) ?? set
    begin(follows.spec, follows, set.spec)
  }

  function discard() {
    const set = base.value
    const guess = columns()?.spec
    if (set) begin(set.spec, set)
    else if (guess) begin(guess, null)
  }

  function wasSaved(set: FeatureSet) {
    base.value = set
    name.value = set.name
    savedText.value = specText(set.spec)
  }

  watch(
    [columns, sets],
    ([table, saved]) => {
      if (!table || !saved) return
      if (isLoaded.value) {
        rows.value = withColumns(rows.value, table.columns)
        if (base.value && !saved.some((set) => set.id === base.value?.id))
          base.value = newest(name.value) ?? null
        return
      }
      const current = saved.find((set) => set.is_current)
      if (current) open(current)
      else begin(table.spec, null)
    },
    { immediate: true },
  )

  const replace = (key: number, made: (row: DraftRow) => DraftRow[]) =>
    (rows.value = rows.value.flatMap((row) => (row.key === key ? made(row) : [row])))

  return {
    rows,
    base,
    name,
    names,
    spec,
    isLoaded,
    isChanged,
    mistake,
    open,
    discard,
    wasSaved,
    newest,
    change: (key: number, field: Field) => replace(key, (row) => [{ ...row, field }]),
    use: (key: number, used: boolean) => replace(key, (row) => [{ ...row, used }]),
    /** Adds a field for the same column after a row, and returns its key. */
    addAfter: (key: number): number => {
      let added = 0
      replace(key, (row) => {
        const twin = rowOf({ column: row.field.column, kind: row.field.kind, weight: 1 }, true)
        added = twin.key
        return [row, twin]
      })
      return added
    },
    remove: (key: number) => replace(key, () => []),
  }
}
