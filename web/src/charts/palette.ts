/** Colours of algorithms that colour-blind users can distinguish, too; in the order of first appearance. */
const LIGHT = ['#14655b', '#c2570c', '#3b5bb5', '#a3387f', '#7a6a00', '#5b6770', '#1788b0', '#8a4a2f']
const DARK = ['#5cc4b3', '#f3a05f', '#8fa9f2', '#e58ac4', '#d6c34a', '#aab4bb', '#6cc6e8', '#d39a80']

export function algorithmColour(index: number, dark: boolean): string {
  const colours = dark ? DARK : LIGHT
  return colours[index % colours.length] as string
}

/** Shapes distinguish the algorithms without any colour. */
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'roundRect', 'pin', 'arrow', 'emptyCircle']
export const algorithmSymbol = (index: number) => SYMBOLS[index % SYMBOLS.length] as string

/** Returns a colour token of the style sheet, as the browser resolves it now. */
export const token = (name: string) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()
