/**
 * One layout for everything, so that a diff shows what changed and nothing else. 110 columns hold an element with
 * its classes or a typed signature; whitespace of templates stays as it is, because ids are shown exactly.
 */
export default {
  printWidth: 110,
  semi: false,
  singleQuote: true,
}
