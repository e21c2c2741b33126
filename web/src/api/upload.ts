import { ApiError, address, get, errorFromBody } from './client'

/** The resources that accept files. */
export type FileResource = '/training_data/' | '/item_meta_data/'

export interface UploadHandle<T> {
  done: Promise<T>
  cancel: () => void
}

/** Sends a file and reports the progress, which `fetch` cannot do. */
export function uploadFile<T>(
  resource: FileResource,
  project: number,
  file: File,
  onProgress: (sent: number, total: number) => void,
): UploadHandle<T> {
  const xhr = new XMLHttpRequest()
  let cancelled = false
  const done = (async () => {
    // A long upload must not fail at its end because its session expired before it began.
    await get('/auth/user/')
    if (cancelled) throw new ApiError(0, 'cancelled')
    return transfer<T>(xhr, resource, project, file, onProgress)
  })()
  return {
    done,
    cancel: () => {
      cancelled = true
      xhr.abort()
    },
  }
}

function transfer<T>(
  xhr: XMLHttpRequest,
  resource: FileResource,
  project: number,
  file: File,
  onProgress: (sent: number, total: number) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    // The project goes first, so that the server can check rights before it stores bytes.
    const form = new FormData()
    form.append('project', String(project))
    form.append('file', file)
    xhr.open('POST', address(resource))
    xhr.setRequestHeader('Accept', 'application/json')
    xhr.upload.addEventListener('progress', (event) => onProgress(event.loaded, event.total))
    xhr.addEventListener('load', () => {
      const body = parse(xhr.responseText)
      if (xhr.status >= 200 && xhr.status < 300) resolve(body as T)
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
