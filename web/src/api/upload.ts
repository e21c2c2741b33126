import { ApiError, errorFromBody, get, path } from './client'
import type { TrainingData, User } from './types'

export interface UploadHandle {
  done: Promise<TrainingData>
  cancel: () => void
}

/** Sends a file with real progress, which `fetch` cannot report. */
export function uploadTrainingData(
  project: number,
  file: File,
  onProgress: (sent: number, total: number) => void,
): UploadHandle {
  const xhr = new XMLHttpRequest()
  let cancelled = false
  const done = (async () => {
    // A long upload must not fail at its end for a session that expired before it began.
    await get<User>(path('auth', 'user'))
    if (cancelled) throw new ApiError(0, 'cancelled')
    return transfer(xhr, project, file, onProgress)
  })()
  return {
    done,
    cancel: () => {
      cancelled = true
      xhr.abort()
    },
  }
}

function transfer(
  xhr: XMLHttpRequest,
  project: number,
  file: File,
  onProgress: (sent: number, total: number) => void,
): Promise<TrainingData> {
  return new Promise((resolve, reject) => {
    // The project goes first, so that the server can check rights before it stores bytes.
    const form = new FormData()
    form.append('project', String(project))
    form.append('file', file)
    xhr.open('POST', path('training_data'))
    xhr.setRequestHeader('Accept', 'application/json')
    xhr.upload.addEventListener('progress', (event) => onProgress(event.loaded, event.total))
    xhr.addEventListener('load', () => {
      const body = parse(xhr.responseText)
      if (xhr.status >= 200 && xhr.status < 300) resolve(body as TrainingData)
      else reject(errorFromBody(xhr.status, body))
    })
    xhr.addEventListener('error', () => reject(new ApiError(0, '')))
    xhr.addEventListener('abort', () => reject(new ApiError(0, 'cancelled')))
    xhr.send(form)
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
