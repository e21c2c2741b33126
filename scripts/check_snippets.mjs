// Makes a project in the studio of a server, and runs each program of web/src/lib/snippets.ts against it: each must print the list
// that the server answers, for a user, for items and for what goes with the latest ones, also where an id has characters that
// languages treat in their own ways, and must fail with a key that is wrong.
//
//   node check_snippets.mjs http://127.0.0.1:8000 PASSWORD FOLDER
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "../web/node_modules/typescript/lib/typescript.js";

const [server, password, folder] = process.argv.slice(2);
const ODD = `O'Brien "x" $HOME \\n 100% #{1} あ`;

async function programs() {
  const source = readFileSync(new URL("../web/src/lib/snippets.ts", import.meta.url), "utf8");
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const file = join(folder, "snippets.mjs");
  writeFileSync(file, ts.transpileModule(source, { compilerOptions: options }).outputText);
  return (await import(pathToFileURL(file))).SNIPPETS;
}

async function call(method, path, token, body) {
  const isForm = body instanceof FormData;
  const headers = { authorization: `Bearer ${token}` };
  if (body && !isForm) headers["content-type"] = "application/json";
  const answer = await fetch(`${server}/api/v1/${path}`, { method, headers, body: isForm || !body ? body : JSON.stringify(body) });
  const read = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(read)}`);
  return read;
}

async function logIn() {
  const body = JSON.stringify({ username: "admin", password });
  const answer = await fetch(`${server}/api/v1/auth/login/`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(answer.status, 200);
  return (await answer.json()).access;
}

// Users like the items of one of four tastes.
function interactions() {
  const quoted = `"${ODD.replaceAll('"', '""')}"`;
  const rows = ["user_id,item_id"];
  for (let user = 0; user < 60; user++)
    for (let seen = 0; seen < 8; seen++)
      rows.push(`${user === 1 ? quoted : `u${user}`},i${(user % 4) + 4 * ((user * 3 + seen * seen + seen) % 15)}`);
  return new Blob([rows.join("\n") + "\n"]);
}

/** Makes a project, and returns its id and a key for predictions. */
async function endpoint() {
  const token = await logIn();
  const form = new FormData();
  form.append("name", "Snippets");
  form.append("budget_seconds", "5");
  form.append("interactions", interactions(), "clicks.csv");
  let run = await call("POST", "studio/", token, form);
  for (let round = 0; run.state === "running" && round < 600; round++) {
    await new Promise((done) => setTimeout(done, 500));
    run = await call("GET", `studio/${run.id}/`, token);
  }
  assert.equal(run.state, "ready", JSON.stringify(run));
  const name = { project: run.project, name: "snippets", scopes: ["predict"] };
  return { projectId: run.project, key: (await call("POST", "api_keys/", token, name)).key };
}

async function listed({ projectId, key }, asked, expected) {
  const answer = await fetch(`${server}/inference/predict/project/${projectId}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key },
    body: JSON.stringify({ ...asked, cutoff: 10 }),
  });
  assert.equal(answer.status, 200);
  const { items, strategy } = await answer.json();
  assert.equal(strategy, expected, `the model knows ${JSON.stringify(asked)}`);
  return items.map((item) => item.item_id);
}

/** Runs a program in a folder of its own. */
function run(program, values, name) {
  const own = join(folder, `${program.language}-${name}`);
  mkdirSync(own);
  writeFileSync(join(own, program.file), program.write(values));
  const env = { ...process.env, HOME: process.env.HOME ?? folder, GOCACHE: join(folder, "go"), GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" };
  const [command, ...rest] = program.run.split(" ");
  return spawnSync(command, rest, { cwd: own, env, encoding: "utf8", timeout: 300_000 });
}

/** Returns the ids that a program printed: one item a line with its score, or the answer itself. */
function printed(output) {
  if (output.trimStart().startsWith("{")) return JSON.parse(output).items.map((item) => item.item_id);
  return output.trim().split("\n").map((line) => line.slice(0, line.lastIndexOf(" ")));
}

const made = await endpoint();
const [near] = await listed(made, { user_id: "u2" }, "personal");
const ASKED = {
  plain: [{ user_id: "u2" }, "personal"],
  odd: [{ user_id: ODD }, "personal"],
  items: [{ anchor_items: [near] }, "related"],
  visitor: [{ interactions: [near, ODD] }, "fold_in"],
};
for (const program of await programs()) {
  for (const [name, [asked, strategy]] of Object.entries(ASKED)) {
    const values = { baseUrl: server, asked, ...made };
    const done = run(program, values, name);
    assert.equal(done.status, 0, `${program.language} for ${name}: ${done.error ?? ""}${done.stderr}${done.stdout}`);
    assert.deepEqual(printed(done.stdout), await listed(made, asked, strategy), `${program.language} for ${name}`);
  }
  const [asked] = ASKED.plain;
  const refused = run(program, { baseUrl: server, asked, ...made, key: "rctm_wrong" }, "refused");
  assert.ok(refused.status !== 0 && refused.status !== null, `${program.language} does not fail with a wrong key: ${refused.stdout}`);
  console.log(`ok: ${program.label}`);
}
