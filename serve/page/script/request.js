// request.js: requests, their events, and the token of the address.

const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));

// token is what the address had, kept for this tab and taken out of sight. What else it asks for stays.
function token() {
  const rest = new URLSearchParams(location.hash.slice(1)), given = rest.get("token");
  if (given) {
    sessionStorage.setItem("mlxlens-token", given);
    rest.delete("token");
    history.replaceState(null, "", location.pathname + (String(rest) && "#" + rest));
  }
  return sessionStorage.getItem("mlxlens-token");
}
const bearer = token();

// written is a request as JSON, in which whole numbers may be of any size.
const written = body => "{" + Object.entries(body).filter(([, v]) => v !== undefined).map(([key, v]) => JSON.stringify(key) + ":" + (typeof v === "bigint" ? v : JSON.stringify(v))).join(",") + "}";

async function api(path, body, headers, signal) {
  const all = { ...headers };
  if (bearer) all.Authorization = "Bearer " + bearer;
  if (body) all["Content-Type"] = "application/json";
  const answer = await fetch("/api/v1/" + path, { method: body ? "POST" : "GET", headers: all, body: body && written(body), signal }).catch(e => {
    throw e.name === "TypeError" ? new Error("nobody answers at " + location.origin + ": the server has ended, or cannot be reached. Start it again, or open the address that it prints") : e;
  });
  if (!answer.ok) throw await problem(answer);
  return answer;
}

async function problem(answer) {
  let said = answer.status + " " + answer.statusText;
  try { said = (await answer.json()).detail; } catch { /* no JSON: the status is all there is */ }
  if (answer.status === 401) said = "This server wants a token: open the address that it printed when it started, #token=… and all, or with the token of its --token-file behind #token=.";
  return Object.assign(new Error(said), { retry: Number(answer.headers.get("Retry-After")) });
}

// events calls on(name, data) for each event of an answer.
async function events(path, body, on, signal) {
  const answer = await api(path, body, { Accept: "text/event-stream" }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const all = (rest + value).split("\n\n");
    rest = all.pop();
    for (const one of all) {
      const event = /^event: (.*)$/m.exec(one), data = /^data: (.*)$/m.exec(one);
      if (event) on(event[1], JSON.parse(data[1]));
    }
  }
}
