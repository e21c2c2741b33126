import { ref } from 'vue'

/** The invitation that is being looked at, only in memory: it is a secret until it is used. */
export const heldInvitation = ref('')
