// The try-it page: a sign-up over the API of this service. The page decides nothing; it
// shows what the API answers.

import { bare, countdown, element, lifetime, plural, pretty, quote } from "./text.js";

const $ = (id) => document.getElementById(id);
const settings = JSON.parse(document.body.dataset.settings);
const profiles = settings.profiles ?? [];
let chosen = settings; // the profile in the form, or the service's own settings

// The current sign-up, from the form and the answers. Requests omit undefined members.
// expires and clear are times: when the code expires, and when the next message is allowed.
const signUp = { id: "", to: "", profile: undefined, locale: undefined, expires: 0, clear: 0 };

const now = () => performance.now() / 1000;

// Requests.

const apiKey = () => $("api-key")?.value ?? "";

function curl(path, body, key) {
  const lines = [`curl ${quote(location.origin + path)}`, `-H 'Content-Type: application/json'`];
  if (key) lines.push(`-H ${quote("Authorization: Bearer " + key)}`);
  lines.push(`-d ${quote(body)}`);
  return lines.join(" \\\n  ");
}

async function post(path, value) {
  const body = JSON.stringify(value);
  const key = apiKey();
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = "Bearer " + key;
  const begun = now();
  let answer;
  try {
    const response = await fetch(path, { method: "POST", headers, body, cache: "no-store", redirect: "error" });
    const text = await response.text();
    answer = { status: response.status, ok: response.ok, body: {}, text };
    try { answer.body = JSON.parse(text); } catch { /* net/http answers some requests in plain text */ }
  } catch {
    answer = { status: 0, ok: false, body: { message: "The service does not answer. Is it still running?" }, text: "no answer" };
  }
  record(path, curl(path, body, key), curl(path, body, key && "••••••"), answer, now() - begun);
  poll();
  return answer;
}

function record(path, command, shownCommand, answer, seconds) {
  for (const older of $("wire").querySelectorAll("details")) older.open = false;
  const details = element("details");
  details.open = true;
  const summary = element("summary");
  summary.append(
    element("span", "route", `POST ${path}`),
    element("span", answer.ok ? "status ok" : "status", [answer.status || "–", answer.body.reason].filter(Boolean).join(" ")),
    element("span", "took", `${Math.round(seconds * 1000)} ms`));
  const exchange = element("div", "exchange");
  const pre = element("pre", "command", shownCommand);
  const copy = element("button", "quiet copy", "Copy");
  copy.type = "button";
  copy.setAttribute("aria-label", `Copy the request POST ${path} as curl`);
  copy.addEventListener("click", () => copyText(command, pre, copy));
  const request = element("div", "part");
  request.append(element("span", "", "Request"), copy);
  const reply = element("div", "part");
  reply.append(element("span", "", `Answer${answer.status ? " " + answer.status : ""}`));
  exchange.append(request, pre, reply, element("pre", "", answer.body.reason || answer.ok ? JSON.stringify(answer.body, null, 2) : answer.text));
  details.append(summary, exchange);
  const item = element("li");
  item.append(details);
  $("wire").prepend(item);
}

async function copyText(text, pre, button) {
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(pre); // no clipboard, such as over plain HTTP from another machine
    done = "Selected";
  }
  button.textContent = done;
  $("announce").textContent = done;
  setTimeout(() => { button.textContent = "Copy"; $("announce").textContent = ""; }, 2000);
}

// The form.

function notice(text, kind = "") {
  $("notice").className = `notice ${kind}`;
  $("notice").textContent = text;
}

// step shows one of the three parts of the form.
function step(name, title, lead) {
  const names = ["number", "code", "done"];
  names.forEach((n, i) => {
    const item = $(`step-${n}`);
    item.toggleAttribute("aria-current", false);
    if (n === name) item.setAttribute("aria-current", "step");
    item.className = i < names.indexOf(name) ? "past" : "";
  });
  $("number-form").hidden = name !== "number";
  $("code-form").hidden = name !== "code";
  $("done").hidden = name !== "done";
  $("tick").toggleAttribute("hidden", name !== "done"); // an SVG has no property hidden
  if (name !== "code") $("banner").hidden = true;
  $("title").textContent = title;
  $("lead").textContent = lead;
}

function askForNumber() {
  step("number", "What is your number?", "We text you a code to make sure that it is yours.");
  signUp.expires = signUp.clear = 0;
  tick();
}

function askForCode() {
  step("code", "Enter the code", `Sent to ${pretty(signUp.to)}`);
  $("code").value = "";
  invalid("code", false);
}

function invalid(id, is) {
  $(id).setAttribute("aria-invalid", String(is));
  if (is) {
    $(id).focus();
    $(id).select?.();
  }
}

function attempts(left) {
  $("attempts").textContent = `${plural(left, "attempt")} left`;
  $("attempts").className = left <= 1 ? "low" : "";
}

function ended(expired) {
  signUp.expires = 0;
  $("attempts").textContent = expired ? "Expired" : "No live code";
  $("attempts").className = "low";
  tick();
}

async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// create requests a code, the first or another one.
async function create(again) {
  notice("");
  const answer = await post("/", { auth_id: signUp.id, recipient: signUp.to, profile: signUp.profile, locale: signUp.locale });
  const { reason, message, expires_in: expiresIn, attempts_left: left, limit, retry_after: retryAfter } = answer.body;
  if (answer.ok || reason === "MessageUnconfirmed") {
    signUp.clear = 0;
    askForCode();
    signUp.expires = 0;
    $("attempts").textContent = "";
    if (answer.ok) {
      signUp.expires = now() + expiresIn;
      signUp.clear = now() + answer.body.resend_after;
      attempts(left);
      $("fact-lifetime").textContent = lifetime(expiresIn);
      $("fact-attempts").textContent = left;
      notice(!again ? "" : chosen.same_code ? "Another message is on its way." : "A new code is on its way. The old one is void.");
    } else {
      notice(message + ".", "warn");
    }
    tick();
    $("code").focus();
    return;
  }
  if (reason === "RateLimited" || reason === "ServiceUnavailable") {
    signUp.clear = now() + (retryAfter ?? 1);
    notice(limit ? `The limit ${limit} is reached. Try again later.` : message + ".", "warn");
    tick();
    return;
  }
  notice(message + ".", "bad");
  if (again) return; // the previous code is still valid
  if (reason === "Unauthorized" && settings.needs_key) {
    invalid("api-key", true);
  } else if (reason === "ProfileNotAllowed") {
    invalid("profile", true);
  } else if (reason !== "SenderRefused") {
    invalid("recipient", true);
  }
}

async function verify() {
  const answer = await post("/verify", { auth_id: signUp.id, code: $("code").value, recipient: signUp.to, profile: signUp.profile });
  const { reason, message, attempts_left: left } = answer.body;
  if (answer.ok) {
    step("done", "Your number is verified", `${pretty(signUp.to)} is yours. The code is used up.`);
    signUp.expires = 0;
    notice("");
    $("title").focus();
    return;
  }
  switch (reason) {
    case "InvalidAuthCode":
      if (left > 0) {
        attempts(left);
        notice(`That is not the code. ${plural(left, "attempt")} left.`, "bad");
      } else {
        ended(false);
        notice("That was the last attempt. Ask for a new code.", "bad");
      }
      break;
    case "ExpiredAuthCode":
      ended(true);
      notice("This code has expired. Ask for a new one.", "bad");
      break;
    case "UnknownAuthId":
      ended(false);
      notice("There is no live code: it was used, removed, or has expired. Ask for a new one.", "bad");
      break;
    default:
      notice(message + ".", "bad");
  }
  invalid("code", true);
}

// tick updates the countdowns.
function tick() {
  const left = signUp.expires - now();
  $("expiry").textContent = signUp.expires === 0 ? "" : left > 0 ? `Expires in ${countdown(left)}` : "Expired";
  $("expiry").className = signUp.expires !== 0 && left <= 10 ? "low" : "";
  const wait = signUp.clear - now();
  for (const [button, text] of [[$("resend"), "Send a new code"], [$("send"), "Text me a code"]]) {
    const label = wait > 0 ? `${text} in ${countdown(wait)}` : text;
    if (button.textContent !== label) button.textContent = label;
  }
  $("resend").setAttribute("aria-disabled", String(wait > 0));
  $("clock").textContent = new Date().toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
}

// choose updates the form to the selected profile.
function choose() {
  chosen = profiles.find((p) => p.name === $("profile")?.value) ?? settings;
  $("code").classList.toggle("long", chosen.code_length > 10);
  $("fact-digits").textContent = plural(chosen.code_length, "digit");
  $("fact-lifetime").textContent = $("fact-attempts").textContent = "–";
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const languages = (chosen.languages ?? []).map((tag) => new Option(`${names.of(tag)} (${tag})`, tag));
  $("locale")?.replaceChildren(new Option("Default", ""), ...languages);
}

function start() {
  $("auth-id").value = "signup-" + Array.from(crypto.getRandomValues(new Uint8Array(4)), (b) => b.toString(16).padStart(2, "0")).join("");
  askForNumber();
}

$("number-form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy($("send"), () => {
    for (const id of ["recipient", "api-key", "profile"]) if ($(id)) $(id).setAttribute("aria-invalid", "false");
    Object.assign(signUp, {
      id: $("auth-id").value, to: bare($("recipient").value),
      profile: $("profile")?.value || undefined, locale: $("locale")?.value || undefined,
    });
    return create(false);
  });
});
$("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy($("verify"), verify);
});
$("resend").addEventListener("click", () => {
  if ($("resend").getAttribute("aria-disabled") !== "true") busy($("resend"), () => create(true));
});
$("change").addEventListener("click", () => {
  notice("");
  askForNumber();
  $("recipient").focus();
  $("recipient").select();
});
$("again").addEventListener("click", () => {
  start();
  $("recipient").focus();
});
for (const { number, does, answer } of settings.numbers) {
  const button = element("button");
  button.type = "button";
  button.dataset.number = number;
  button.append(element("span", "number", number), " ", element("span", "does", does), " ", element("span", "answer", answer));
  button.addEventListener("click", () => {
    notice("");
    start();
    $("recipient").value = pretty(number);
    $("recipient").focus();
    $("number-form").scrollIntoView({ block: "center" });
  });
  const item = element("li");
  item.append(button);
  $("numbers").append(item);
}

// The phone.

const seen = new Set();
let owner = "";

const codeIn = (text) => text.match(new RegExp(`(?<!\\d)\\d{${chosen.code_length}}(?!\\d)`));

function fillIn(code) {
  if ($("code-form").hidden) return;
  $("code").value = code;
  $("code").focus();
}

// bubble returns a message whose code can be tapped.
function bubble(text) {
  const b = element("p", "bubble new");
  const found = codeIn(text);
  if (!found) {
    b.textContent = text;
    return b;
  }
  const tap = element("button", "", found[0]);
  tap.type = "button";
  tap.setAttribute("aria-label", `Fill in the code ${found[0]}`);
  tap.addEventListener("click", () => fillIn(found[0]));
  b.append(text.slice(0, found.index), tap, text.slice(found.index + found[0].length));
  return b;
}

// headsUp shows a message at the top of the page if the phone is out of sight.
function headsUp(text) {
  const phone = document.querySelector(".phone").getBoundingClientRect();
  const found = codeIn(text);
  if (!found || phone.top < innerHeight - 240 && phone.bottom > 240) return;
  $("banner-text").textContent = text;
  $("banner").setAttribute("aria-label", `New message. Fill in the code ${found[0]}`);
  $("banner").hidden = false;
  $("banner").onclick = () => {
    $("banner").hidden = true;
    fillIn(found[0]);
  };
  clearTimeout(headsUp.timer);
  headsUp.timer = setTimeout(() => { $("banner").hidden = true; }, 8000);
}

function receive(messages) {
  for (const m of messages) {
    if (seen.has(m.id)) continue;
    seen.add(m.id);
    const at = new Date(m.at).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
    const item = element("li");
    item.append(element("span", "when", `Text message · ${at}`), bubble(m.text));
    $("messages").append(item);
    $("from").textContent = pretty(m.from);
    $("thread").scrollTop = $("thread").scrollHeight;
    if (Date.now() - new Date(m.at) < 5000) headsUp(m.text);
  }
  $("empty").hidden = seen.size > 0;
}

// poll fetches the messages to the current number.
async function poll() {
  const to = bare(signUp.to).replace("+", "");
  if (to !== owner) {
    owner = to;
    seen.clear();
    $("messages").replaceChildren();
    $("from").textContent = "Messages";
    $("owner").textContent = to && `to ${pretty(to)}`;
    $("empty").hidden = false;
  }
  if (!to || document.hidden) return;
  try {
    const response = await fetch("messages?to=" + encodeURIComponent(to), { cache: "no-store" });
    if (response.ok && to === owner) receive((await response.json()).messages);
  } catch { /* the next request reports it */ }
}

if (settings.needs_key) $("key-field").replaceWith($("key-field").content);
if (profiles.length > 0) {
  $("profile-field").replaceWith($("profile-field").content);
  $("profile").append(...profiles.map((p) => new Option(p.name)));
  $("profile").addEventListener("change", choose);
}
choose();
start();
setInterval(tick, 250);
setInterval(poll, 1000);
document.addEventListener("visibilitychange", poll);
