/**
 * Initial parameters of a new configuration if the defaults of its algorithm make no useful model, by short name. By
 * default iALS gives no weight to items a user has not interacted with (`alpha0`, as in irspack, which expects a search to set it):
 * nothing keeps a score down then, and lists are arbitrary.
 */
export const STARTING_POINTS: Record<string, Record<string, unknown>> = { IALS: { alpha0: 0.1 } }
