import { ApiError, address, get, errorFromBody } from './client'

/** The resources that accept files. */
export type FileResource = '/training_data/' | '/item_meta_data/'

type Progress = (sent: number, total: number) => void

export interface UploadHandle<T> {
  done: Promise<T>
  cancel: () => void
}

/** Sends a file to a project and reports the progress, which `fetch` cannot do. */
export function uploadFile<T>(
  resource: FileResource,
  project: number,
  file: File,
  onProgress: Progress,
): UploadHandle<T> {
  // The project goes first, so that the server can check rights before it stores bytes.
  const form = new FormData()
  form.append('project', String(project))
  form.append('file', file)
  return sendForm<T>(address(resource), form, onProgress)
}

/** Sends a form with files to an address, and reports the progress. */
export function sendForm<T>(url: string, form: FormData, onProgress: Progress = () => {}): UploadHandle<T> {
  const xhr = new XMLHttpRequest()
  let cancelled = false
  const done = (async () => {
    // A long upload must not fail at its end because its session expired before it began.
    await get('/auth/user/')
    if (cancelled) throw new ApiError(0, 'cancelled')
    return transfer<T>(xhr, url, form, onProgress)
  })()
  return {
    done,
    cancel: () => {
      cancelled = true
      xhr.abort()
    },
  }
}

function transfer<T>(xhr: XMLHttpRequest, url: string, form: FormData, onProgress: Progress): Promise<T> {
  return new Promise((resolve, reject) => {
    xhr.open('POST', url)
    xhr.setRequestHeader('Accept', 'application/json')
    xhr.upload.addEventListener('progress', (event) => onProgress(event.loaded, event.total))
    xhr.addEventListener('load', () => {
      const body = parse(xhr.responseText)
      if (xhr.status >= 200 && xhr.status < 300) resolve(body as T)
      else reject(errorFromBody(xhr.status, body, secondsToWait(xhr)))
    })
    xhr.addEventListener('error', () => reject(new ApiError(0, '')))
    xhr.addEventListener('abort', () => reject(new ApiError(0, 'cancelled')))
    xhr.send(form)
  })
}

function secondsToWait(xhr: XMLHttpRequest): number | null {
  const seconds = Number(xhr.getResponseHeader('Retry-After') ?? NaN)
  return Number.isFinite(seconds) ? seconds : null
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
