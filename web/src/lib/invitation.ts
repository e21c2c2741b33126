import { ref } from 'vue'

/** The current invitation, only in memory: it is a secret until it is used. */
export const heldInvitation = ref('')
