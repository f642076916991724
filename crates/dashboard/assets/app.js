// Makes the pages live. Everything here is an improvement: each page works without it.
// The server renders all of the HTML; this script sends the form, listens to the event streams and
// swaps fragments in, so that no rule and no markup exists twice.
"use strict";

const POLL_MS = 2000; // when a stream is not to be had
const REFRESH_GAP_MS = 700; // a busy server is not asked more often than this
const BURST = 100; // events in one second beyond which the overview polls instead of listening
const REST_MS = 20000; // before a stream is tried again

// The path under which the server is, where it is not the root.
const base = document.documentElement.dataset.base || "";

// What shows that a request of this script belongs to the session of its page.
function proof() {
  const csrf = document.querySelector('meta[name="csrf"]')?.content;
  return csrf ? { "x-csrf-token": csrf } : {};
}

const find = (selector, root = document) => root.querySelector(selector);

// ---- Times: relative ones tick, absolute ones are shown in the reader's own time zone. ----

const two = "2-digit";
const absolute = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", year: "numeric", hour: two, minute: two, second: two, timeZoneName: "short",
});

function relative(ms) {
  const s = Math.round(Math.abs(ms) / 1000);
  if (s < 2) return "just now";
  const [n, unit] = s < 60 ? [s, "s"] : s < 3600 ? [Math.floor(s / 60), "min"] : s < 172800 ? [Math.floor(s / 3600), "h"] : [Math.floor(s / 86400), "days"];
  return ms > 0 ? `in ${n} ${unit}` : `${n} ${unit} ago`;
}

// The server's clock decides: its Date header tells how far this device's clock is off.
let skew = 0;
function learnClock(response) {
  const off = Date.parse(response.headers.get("date") || "") - Date.now();
  if (Number.isFinite(off)) skew = Math.abs(off) > 5000 ? off : 0;
}

function showTimes(root = document) {
  for (const el of root.querySelectorAll("time[datetime]")) {
    const at = Date.parse(el.dateTime);
    if (!Number.isFinite(at)) continue;
    setText(find("[data-rel]", el), relative(at - Date.now() - skew));
    if (!el.title) {
      el.title = el.dateTime;
      setText(find("[data-abs]", el), absolute.format(at));
    }
  }
}

function setText(el, text) {
  if (el && el.textContent !== text) el.textContent = text;
}

// ---- Small parts ----

function announce(text) {
  setText(find("#announce"), text);
}

function showLive(state) {
  const el = find("#live");
  const words = { on: "Live", polling: "Checking every 2 s", off: "No connection, trying again" };
  el.hidden = !words[state];
  el.dataset.live = state;
  setText(find("[data-live-text]", el), words[state] || "");
}

// Puts a fragment in the place of `old`. Focus and open details survive.
function swap(old, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  const next = holder.content.firstElementChild;
  if (!next) return old;
  const active = document.activeElement;
  const focused = active && old.contains(active) ? active.dataset.key : undefined;
  for (const details of old.querySelectorAll("details[open]")) {
    const same = find(`details[data-key="${CSS.escape(details.dataset.key)}"]`, next);
    if (same) same.open = true;
  }
  showTimes(next);
  old.replaceWith(next);
  if (focused) {
    const again = find(`[data-key="${CSS.escape(focused)}"]`, next) || find("a, button", next);
    if (again) again.focus({ preventScroll: true });
  }
  return next;
}

async function fetchFragment(url) {
  const response = await fetch(url, { headers: { accept: "text/html" }, cache: "no-store" });
  learnClock(response);
  // The session is over: the page itself asks to sign in again.
  if (response.status === 401) location.reload();
  if (!response.headers.get("content-type")?.startsWith("text/html")) throw new Error(`${url}: ${response.status}`);
  return { text: await response.text(), ok: response.ok };
}

// Runs `work` at once, or after the one in progress: never two at a time, never one lost.
function single(work, gap) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await work();
      if (gap) await new Promise((done) => setTimeout(done, gap));
    } while (again);
    busy = false;
  };
}

// An event stream that is open only while the page is seen: browsers allow six connections to a
// server over all tabs, and background tabs must not use them up.
function stream(url, { onEvent, onOpen, onDown }) {
  let source = null;
  let ended = false;
  const open = () => {
    if (source || ended || document.hidden) return;
    source = new EventSource(url);
    source.addEventListener("task", onEvent);
    source.addEventListener("missed", onEvent);
    source.onopen = onOpen;
    source.onerror = () => {
      onDown();
      // The browser tries again by itself unless the server refused the stream.
      if (!source || source.readyState !== EventSource.CLOSED) return;
      shut();
      setTimeout(open, REST_MS);
    };
  };
  const shut = () => {
    if (source) source.close();
    source = null;
  };
  const seen = () => (document.hidden ? shut() : open());
  document.addEventListener("visibilitychange", seen);
  open();
  return {
    reopen: open,
    rest: shut,
    close() {
      ended = true;
      document.removeEventListener("visibilitychange", seen);
      shut();
    },
  };
}

// ---- One task: its stream, or polling when there is none, until it is final. ----

const watches = new Map();

function watchTask(root) {
  const id = root.dataset.task;
  watches.get(id)?.();
  if (root.dataset.final === "true") return;
  let timer = null;
  let known = "";

  const refresh = single(async () => {
    try {
      const { text, ok } = await fetchFragment(root.dataset.fragment);
      if (!ok) return;
      const before = root.dataset.state;
      root = swap(root, text);
      if (root.dataset.state !== before) announce(`${root.dataset.state}. ${find("[data-sentence]", root).textContent}`);
      if (root.dataset.final === "true") stop();
    } catch {
      poll();
    }
  });

  // The old status route is the cheap question; the fragment is fetched when its answer changed,
  // and now and then for what that route does not tell (which attempt, when the next one is due).
  let asked = 0;
  const poll = () => {
    if (timer !== null) return;
    timer = setInterval(async () => {
      if (document.hidden) return;
      try {
        const status = (await (await fetch(`${base}/task_status/${id}`, { cache: "no-store" })).json()).status;
        if (status !== known || asked++ % 2 === 0) refresh();
        known = status;
      } catch {
        showLive("off");
      }
    }, POLL_MS);
  };
  const rest = () => {
    clearInterval(timer);
    timer = null;
  };
  const events = stream(`${base}/v1/tasks/${id}/events`, {
    onEvent: refresh,
    onOpen: () => {
      rest();
      refresh(); // what happened before the stream was open
    },
    onDown: poll,
  });
  const stop = () => {
    rest();
    events.close();
    watches.delete(id);
  };
  watches.set(id, stop);
}

// ---- The overview: counts and the last tasks. ----

function watchOverview() {
  let root = find("#overview");
  if (!root) return;
  let timer = null;
  let count = 0;
  let second = 0;

  const refresh = single(async () => {
    try {
      const { text } = await fetchFragment(root.dataset.fragment);
      root = swap(root, text);
      if (timer !== null) showLive("polling");
    } catch {
      showLive("off");
      poll();
    }
  }, REFRESH_GAP_MS);
  const poll = () => {
    if (timer === null) timer = setInterval(() => document.hidden || refresh(), POLL_MS);
  };
  const rest = () => {
    clearInterval(timer);
    timer = null;
  };
  const events = stream(`${base}/v1/events`, {
    onEvent: () => {
      const now = Math.floor(Date.now() / 1000);
      if (now !== second) [second, count] = [now, 0];
      if (++count > BURST) {
        events.rest();
        poll();
        setTimeout(events.reopen, REST_MS);
      } else {
        refresh();
      }
    },
    onOpen: () => {
      rest();
      showLive("on");
      refresh();
    },
    onDown: () => {
      showLive("polling");
      poll();
    },
  });
}

// ---- The workers: heartbeats are no events, so this page asks. ----

function watchWorkers() {
  let root = find("#workers");
  if (!root) return;
  const refresh = single(async () => {
    try {
      root = swap(root, (await fetchFragment(root.dataset.fragment)).text);
      showLive("on");
    } catch {
      showLive("off");
    }
  });
  setInterval(() => document.hidden || refresh(), POLL_MS);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  showLive("on");
}

// ---- The form ----

function fieldError(name, text) {
  const field = find(`[data-field="${CSS.escape(name)}"]`);
  if (!field) return false;
  const input = find("input, textarea", field);
  field.classList.toggle("has-error", Boolean(text));
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  setText(find(".error", field), text);
  return true;
}

function formProblem(text) {
  const box = find("#form-problem");
  box.hidden = !text;
  setText(find("p", box), text);
}

// Only what a typing mistake looks like; the server decides what is an address.
function checkAddress(value) {
  if (!value.trim()) return "Enter the e-mail address to send to.";
  if (!/^[^\s@]+@[^\s@]+$/.test(value.trim())) return "This is not an e-mail address: write it as name@example.com.";
  return "";
}

// Shows what the server refused: next to its field where it names one.
function showRefusal(status, body) {
  const detail = body && body.detail;
  if (Array.isArray(detail)) {
    const rest = detail.filter((e) => !fieldError(String((e.loc || []).at(-1)), e.msg)).map((e) => e.msg);
    formProblem(rest.join(" "));
    const first = find('[aria-invalid="true"]');
    if (first) first.focus();
    return;
  }
  const kept = " It was not accepted. What you typed is still here.";
  if (typeof detail === "string" && detail) formProblem(detail.replace(/[.\s]*$/, ".") + kept);
  else formProblem(`The server answered ${status}.${kept}`);
}

function enhanceForm() {
  const form = find("#send");
  if (!form) return;
  form.noValidate = true; // the messages beside the fields take the place of the browser's bubbles
  const button = find("button", form);
  const label = find("[data-idle]", button);
  form.email.addEventListener("input", () => {
    if (form.email.getAttribute("aria-invalid")) fieldError("email", checkAddress(form.email.value));
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled")) return;
    for (const name of ["email", "subject", "message"]) fieldError(name, "");
    formProblem("");
    const wrong = checkAddress(form.email.value);
    if (wrong) {
      fieldError("email", wrong);
      form.email.focus();
      return;
    }
    const body = { email: form.email.value.trim() };
    if (form.subject.value) body.subject = form.subject.value;
    if (form.message.value) body.message = form.message.value;
    button.setAttribute("aria-disabled", "true");
    setText(label, "Sending…");
    try {
      const response = await fetch(`${base}/notify/`, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json", ...proof() },
        body: JSON.stringify(body),
      });
      const answer = await response.json().catch(() => null);
      if (!response.ok || !answer) return showRefusal(response.status, answer);
      for (const input of form.querySelectorAll("[data-field] input, [data-field] textarea")) input.value = "";
      showSent(answer.task_id).catch(() => announce("Accepted."));
    } catch {
      formProblem("The server does not answer, so it is not known whether this was accepted: look at the list before you send again. What you typed is still here.");
    } finally {
      button.removeAttribute("aria-disabled");
      setText(label, "Send");
    }
  });
}

async function showSent(id) {
  const box = find("#sent");
  const url = `${base}/fragments/tasks/${id}?view=card`;
  for (const old of box.querySelectorAll("[data-task]")) watches.get(old.dataset.task)?.();
  box.replaceChildren(document.createElement("article"));
  box.hidden = false;
  const root = swap(box.firstElementChild, (await fetchFragment(url)).text);
  announce(`Accepted. ${find("[data-sentence]", root)?.textContent || ""}`);
  if (window.innerWidth < 900) root.scrollIntoView({ block: "nearest" });
  watchTask(root);
}

// ---- Cancel and retry, on whichever page they are ----

async function act(form) {
  const root = form.closest("[data-task]");
  const button = find("button", form);
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  let problem = "";
  try {
    const response = await fetch(`${base}/v1/tasks/${root.dataset.task}/${form.dataset.action}`, { method: "POST", headers: proof() });
    if (!response.ok) {
      const body = await response.json().catch(() => ({}));
      problem = body.detail || body.title || `The server answered ${response.status}.`;
    }
  } catch {
    problem = "The server does not answer.";
  }
  let next = root;
  try {
    const { text, ok } = await fetchFragment(root.dataset.fragment);
    if (ok) next = swap(root, text);
  } catch {
    problem ||= "The server does not answer.";
  }
  find("button", form).removeAttribute("aria-disabled");
  setText(find("[data-action-problem]", next), problem);
  announce(problem || find("[data-sentence]", next).textContent);
  watchTask(next);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.action) return;
  event.preventDefault();
  act(form);
});

showTimes();
setInterval(showTimes, 1000);
enhanceForm();
watchOverview();
watchWorkers();
for (const root of document.querySelectorAll("main > [data-task]")) watchTask(root);
