// A client that was written for AiREC and knows no other address: an account, a project from two files, lists, recommendations by
// title, by user and by both, an app with a key, and its usage. Fails at the first answer that is not as it should be.
//
//   node client.mjs http://127.0.0.1:8000/airec
import assert from "node:assert/strict";

const [api] = process.argv.slice(2);
const email = `ana-${Date.now()}@example.com`;
const password = "a long pass phrase of Ana";

async function call(method, path, { token, key, json, form, status = 200 } = {}) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (key) headers["x-api-key"] = key;
  if (json) headers["content-type"] = "application/json";
  const answer = await fetch(api + path, { method, headers, body: json ? JSON.stringify(json) : form });
  const body = await answer.json();
  assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${JSON.stringify(body)}`);
  return body;
}

const TASTES = ["space", "love", "crime", "music"];

// Users like the films of one taste; the last four films have been seen by no user.
function files() {
  const content = ["movieId,title,genres"];
  for (let film = 0; film < 84; film++) content.push(`${film},"A film about ${TASTES[film % 4]}, part ${film}",${TASTES[film % 4]}`);
  const interactions = ["userId,movieId"];
  for (let user = 0; user < 80; user++)
    for (let seen = 0; seen < 9; seen++) interactions.push(`u${user},${(user % 4) + 4 * ((user * 3 + seen * seen + seen) % 20)}`);
  return [content, interactions].map((lines) => new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
}

async function ready(token, project) {
  for (let round = 0; round < 600; round++) {
    const status = await call("GET", `/project/${project}/status`, { token });
    if (status.status === "READY") return;
    assert.ok(["PENDING", "PROCESSING"].includes(status.status), JSON.stringify(status));
    await new Promise((done) => setTimeout(done, 500));
  }
  assert.fail("the project was not ready within five minutes");
}

const signedUp = await call("POST", "/signup", { json: { name: "Ana", email, password } });
assert.equal(signedUp.success, true);
await call("POST", "/login", { json: { email, password: "another" }, status: 400 });
const { jwtToken, ...account } = await call("POST", "/login", { json: { email, password } });
assert.equal(account.email, email);
const token = jwtToken;
await call("GET", "/projects/", { status: 401 });
assert.deepEqual(await call("GET", "/projects/", { token }), []);

const [content, interactions] = files();
const form = new FormData();
form.append("project_name", "Films");
form.append("content_file", content, "films.csv");
form.append("content_schema_json", JSON.stringify({ item_id: "movieId", item_title: "title", feature_col: ["genres"] }));
form.append("interaction_file", interactions, "seen.csv");
form.append("interaction_schema_json", JSON.stringify({ item_id: "movieId", user_id: "userId" }));
const project = await call("POST", "/create-project/", { token, form, status: 201 });
assert.equal(project.model_type, "HYBRID");
await ready(token, project.id);
const [listed] = await call("GET", "/projects/", { token });
assert.equal(listed.status, "READY");
assert.equal(listed.project_name, "Films");

const items = await call("GET", `/project/${project.id}/items?limit=1000`, { token });
assert.equal(items.length, 84);
const users = await call("GET", `/project/${project.id}/users`, { token });
assert.equal(users.length, 80);
const title = items.find((item) => item.item_id === "4").item_title;
const ask = (query, more) => call("GET", `/project/${project.id}/recommendations?${new URLSearchParams(query)}`, { token, ...more });
const about = (list, taste) => list.recommendations.filter((item) => item.item_title.includes(taste)).length;

const byTitle = await ask({ item_title: title, n: 5 });
assert.equal(about(byTitle, "space"), 5, JSON.stringify(byTitle));
const byUser = await ask({ user_id: "u1", n: 5 });
assert.ok(about(byUser, "love") >= 3, JSON.stringify(byUser));
const byBoth = await ask({ item_title: title, user_id: "u1", n: 10 });
assert.equal(byBoth.recommendations.length, 10);
const stranger = await ask({ item_title: title, user_id: "nobody", n: 5 });
assert.equal(about(stranger, "space"), 5, JSON.stringify(stranger));
const unknown = await ask({ item_title: title.replace("film", "flim") }, { status: 404 });
assert.ok(unknown.nearest.length === 5 && unknown.nearest.includes(title), JSON.stringify(unknown));

const app = await call("POST", "/api/apps/register", { token, json: { app_name: "Cinema", webhook_url: "" }, status: 201 });
const wanted = { project_id: project.id, item_title: title, user_id: "u1" };
const recommended = await call("POST", "/api/recommend", { key: app.api_key, json: wanted });
assert.equal(recommended.recommendations.length, 10);
await call("POST", "/api/recommend", { key: app.api_key, json: { ...wanted, project_id: project.id + 1 }, status: 404 });
await call("POST", "/api/recommend", { key: "rctm_wrong", json: wanted, status: 401 });
const apps = await call("GET", "/api/apps", { token });
assert.deepEqual(apps.map((one) => one.app_name), ["Cinema"]);
assert.ok(!JSON.stringify(apps).includes(app.api_key), "the key is shown once");
for (let round = 0; ; round++) {
  const [used] = await call("GET", "/api/apps/usage", { token });
  if (used.usage_count >= 2) break;
  assert.ok(round < 60, `the requests are not counted: ${JSON.stringify(used)}`);
  await new Promise((done) => setTimeout(done, 500));
}
console.log(`ok: ${items.length} items, ${users.length} users, a list for the title "${title}" and for user u1`);
