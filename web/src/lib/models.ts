import type { ModelStatus, TrainedModel } from '@/api/types'

/** A model's own status, or, from a server that does not say, what its file tells. */
export function modelStatus(model: TrainedModel): ModelStatus {
  return model.status ?? ((model.filesize ?? 0) > 0 ? 'COMPLETED' : 'PENDING')
}
