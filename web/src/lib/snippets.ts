/**
 * Programs that request a list, to copy. Each is complete, needs only what its language brings along, prints one item a line
 * and ends with an error if anything goes wrong.
 */

export interface SnippetValues {
  /** Origin of the server, without a slash at its end. */
  baseUrl: string
  projectId: number
  key: string
  asked: Asked
}
/** Whom or what a list is for: a user, a visitor by their latest items, or items that it must resemble. */
export type Asked = { user_id: string } | { interactions: string[] } | { anchor_items: string[] }

/** In the order in which they are offered, with the name of a file for each and the command that runs it. */
export const SNIPPETS = [
  { language: 'curl', label: 'curl', file: 'recommend.sh', run: 'sh recommend.sh', write: curl },
  {
    language: 'javascript',
    label: 'JavaScript',
    file: 'recommend.mjs',
    run: 'node recommend.mjs',
    write: javascript,
  },
  { language: 'python', label: 'Python', file: 'recommend.py', run: 'python3 recommend.py', write: python },
  { language: 'php', label: 'PHP', file: 'recommend.php', run: 'php recommend.php', write: php },
  { language: 'go', label: 'Go', file: 'recommend.go', run: 'go run recommend.go', write: go },
] as const
export type SnippetLanguage = (typeof SNIPPETS)[number]['language']

const COUNT = 10

/** Returns the address of a project's lists. */
const urlOf = ({ baseUrl, projectId }: SnippetValues) => `${baseUrl}/inference/predict/project/${projectId}`

/** Returns the fields of the request as a language writes them. */
function bodyOf(
  { asked }: SnippetValues,
  named: (name: string) => string,
  quoted: (value: string) => string,
  listed: (ids: string) => string = (ids) => `[${ids}]`,
): string {
  const fields = Object.entries(asked).map(
    ([name, value]: [string, string | string[]]) =>
      named(name) + (typeof value === 'string' ? quoted(value) : listed(value.map(quoted).join(', '))),
  )
  return [...fields, `${named('cutoff')}${COUNT}`].join(', ')
}

export function curl(values: SnippetValues): string {
  const body = JSON.stringify({ ...values.asked, cutoff: COUNT })
  return `curl --silent --show-error --fail-with-body \\
  ${shell(urlOf(values))} \\
  --header ${shell(`X-API-Key: ${values.key}`)} \\
  --header 'Content-Type: application/json' \\
  --data ${shell(body)}
`
}

/** For Node.js 18 or newer. */
export function javascript(values: SnippetValues): string {
  return `const response = await fetch(${text(urlOf(values))}, {
  method: "POST",
  headers: { "Content-Type": "application/json", "X-API-Key": ${text(values.key)} },
  body: JSON.stringify({ ${bodyOf(values, (name) => `${name}: `, text)} }),
});
if (!response.ok) throw new Error(\`\${response.status}: \${await response.text()}\`);

const { items } = await response.json();
for (const item of items) console.log(item.item_id, item.score);
`
}

export function python(values: SnippetValues): string {
  return `import json
import sys
import urllib.error
import urllib.request

request = urllib.request.Request(
    ${text(urlOf(values))},
    data=json.dumps({${bodyOf(values, (name) => `"${name}": `, text)}}).encode(),
    headers={"Content-Type": "application/json", "X-API-Key": ${text(values.key)}},
)
try:
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code}: {error.read().decode()}")

for item in answer["items"]:
    print(item["item_id"], item["score"])
`
}

/** For PHP 8. */
export function php(values: SnippetValues): string {
  return `<?php
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => ['Content-Type: application/json', 'X-API-Key: ' . ${phpText(values.key)}],
    'content' => json_encode([${bodyOf(values, (name) => `'${name}' => `, phpText)}], JSON_THROW_ON_ERROR),
    'timeout' => 10,
    'ignore_errors' => true,
]]);
$stream = fopen(${phpText(urlOf(values))}, 'r', false, $context);
if ($stream === false) {
    exit(1);
}
$body = stream_get_contents($stream);
$status = stream_get_meta_data($stream)['wrapper_data'][0];
if (!str_contains($status, ' 200 ')) {
    fwrite(STDERR, $status . ': ' . $body . PHP_EOL);
    exit(1);
}

foreach (json_decode($body, true, 512, JSON_THROW_ON_ERROR)['items'] as $item) {
    echo $item['item_id'], ' ', $item['score'], PHP_EOL;
}
`
}

export function go(values: SnippetValues): string {
  return `package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"
)

func main() {
	body, err := json.Marshal(map[string]any{${bodyOf(
    values,
    (name) => `"${name}": `,
    text,
    (ids) => `[]string{${ids}}`,
  )}})
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", ${text(urlOf(values))}, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-API-Key", ${text(values.key)})

	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(response.Body)
		log.Fatal(response.Status, ": ", string(message))
	}

	var answer struct {
		Items []struct {
			ItemID string  \`json:"item_id"\`
			Score  float64 \`json:"score"\`
		} \`json:"items"\`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	for _, item := range answer.Items {
		fmt.Println(item.ItemID, item.Score)
	}
}
`
}

/** Quotes a text for a POSIX shell. */
const shell = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`

/** Half a character: no program can contain one, and no id of the server does. */
const HALF = /\p{Surrogate}/gu
/** Invisible characters, among them the mark that Go refuses within a file. */
const INVISIBLE = /[\u007f-\u009f\u2028\u2029\ufeff]/g

const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Quotes a text for JavaScript, Python and Go, which all read what JSON escapes. */
const text = (value: string) => JSON.stringify(value.replace(HALF, '\ufffd')).replace(INVISIBLE, escaped)

/** Quotes a text for PHP, which has other escapes than JSON and reads a dollar sign as the beginning of a variable. */
const phpText = (value: string) =>
  text(value)
    .replace(/\\(b|u[0-9a-f]{4}|.)/g, (whole, escape: string) => {
      if (escape === 'b') return '\\u{8}'
      return escape.length === 5 ? `\\u{${escape.slice(1)}}` : whole
    })
    .replaceAll('$', '\\$')
