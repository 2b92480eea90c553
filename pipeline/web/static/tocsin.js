// What a script adds to pages that work without one: keys, live news, times that move on, a place that is kept.
"use strict";

const root = document.documentElement;
const main = document.querySelector("main");
const page = main?.dataset.page ?? "";
root.classList.add("script");

// --- selects that submit themselves ------------------------------------------------------------------------------

for (const select of document.querySelectorAll("select[data-submits]")) {
  select.addEventListener("change", () => {
    for (const other of select.form.querySelectorAll("select")) other.disabled = other.value === "" && other.name !== "responder";
    if (select.value || select.name !== "responder") select.form.requestSubmit();
  });
}
addEventListener("pageshow", () => {
  for (const select of document.querySelectorAll("select:disabled")) select.disabled = false;
});

// --- times that move on --------------------------------------------------------------------------------------------
// Same words as pipeline/web/times.py.

const SOON = 15 * 60;

function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return "under 1 min";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440).toLocaleString("en")} d`;
}

function say(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}

// The server's clock counts, not this machine's, which may be wrong.
const drawnAt = Date.parse(main?.dataset.now ?? "") || Date.now();
const ahead = drawnAt - Date.now();
const now = () => (Date.now() + ahead) / 1000;
const seconds = (iso) => Date.parse(iso) / 1000;

function tick() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const age = now() - seconds(time.dateTime);
    say(time, age < 60 ? "now" : span(age));
  }
  for (const time of document.querySelectorAll("time[data-left]")) {
    const left = seconds(time.dateTime) - now();
    if (left > 0) say(time, span(left));
    else lapse(time.closest("[data-claim]"));
  }
  for (const due of document.querySelectorAll("[data-due]")) {
    const left = seconds(due.dataset.due) - now();
    due.classList.remove("calm", "soon", "late");
    due.classList.add(left < 0 ? "late" : left <= SOON ? "soon" : "calm");
    say(due.querySelector(".left"), left < 0 ? `${span(-left)} late` : `in ${span(left)}`);
  }
}

function lapse(line) {
  const free = document.createElement("span");
  free.className = "claim free";
  free.textContent = "free";
  line?.replaceChildren(free);
}

setInterval(tick, 5000);

// --- the row one is at ------------------------------------------------------------------------------------------------

const rows = [...document.querySelectorAll(".row[data-id], .row.mention")];
let at = -1;
const place = `tocsin:${location.pathname}${location.search}`;

function go(index, { scroll = true } = {}) {
  if (!rows.length) return;
  rows[at]?.classList.remove("at");
  at = Math.max(0, Math.min(index, rows.length - 1));
  const row = rows[at];
  row.classList.add("at");
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  if (scroll) row.scrollIntoView({ block: "nearest" });
}

for (const [index, row] of rows.entries()) {
  row.addEventListener("focusin", (event) => {
    if (at !== index && event.target !== row) {
      rows[at]?.classList.remove("at");
      at = index;
      row.classList.add("at");
    }
  });
}

// After an action the list stands where it stood: the same ticket, or the one that took its place.
function remember() {
  sessionStorage.setItem(place, JSON.stringify({ at, id: rows[at]?.dataset.id ?? null, top: scrollY }));
}

function restore() {
  const kept = sessionStorage.getItem(place);
  sessionStorage.removeItem(place);
  if (!kept) return;
  const { at: index, id, top } = JSON.parse(kept);
  scrollTo(0, top);
  if (index < 0) return;
  const same = rows.findIndex((row) => id !== null && row.dataset.id === id);
  go(same >= 0 ? same : index, { scroll: false });
}

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    const index = rows.indexOf(event.submitter?.closest(".row"));
    if (index >= 0) at = index;
    remember();
  });
}

// --- selecting -----------------------------------------------------------------------------------------------------------

const boxes = [...document.querySelectorAll(".pick input")];

function counted() {
  const picked = boxes.filter((box) => box.checked).length;
  say(document.getElementById("bulk-count"), `${picked} selected:`);
}

for (const box of boxes) {
  box.addEventListener("change", counted);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it would press the first button of the form
  });
}
if (boxes.length) counted();

// --- keys ----------------------------------------------------------------------------------------------------------------

const help = document.getElementById("help");
const PLACES = { q: "/", m: "/mentions", i: "/incidents", c: "/coverage", l: "/learn" };
let prefix = -Infinity;

function showHelp() {
  if (help && !help.open) help.showModal();
}

document.querySelector("[data-help]")?.addEventListener("click", (event) => {
  if (!help) return; // one is on its page
  event.preventDefault();
  showHelp();
});

function press(key) {
  const scope = rows[at] ?? (page === "ticket" ? main : null);
  const control = scope?.querySelector(`[data-key="${key}"]`);
  control?.click();
  return Boolean(control);
}

function open() {
  const link = rows[at]?.querySelector("a.open, .facts a");
  link?.click();
  return Boolean(link);
}

// To the answers one can give: the first of them takes the focus, so that Tab and Enter do the rest.
function label() {
  if (page !== "ticket") return open();
  const first = main.querySelector('[data-key="l"]');
  first?.closest("section").scrollIntoView({ block: "nearest" });
  first?.focus();
}

// To whom it can be given: on the ticket's page, as there is room for a note.
function assign() {
  if (page === "ticket") return document.getElementById("to")?.focus();
  const link = rows[at]?.querySelector("a.open");
  if (link) location.assign(`${link.href}#assign`);
}

const KEYS = {
  a: assign,
  t: () => document.querySelector('.next[data-key="t"]')?.click(),
  j: () => go(at + 1),
  k: () => go(at < 0 ? 0 : at - 1),
  o: open,
  c: () => press("c"),
  r: () => press("r"),
  e: () => press("e"),
  x: () => press("x"),
  l: label,
  u: () => document.querySelector('.done [data-key="u"]')?.click(),
  v: () => {
    if (at < 0) go(0);
    rows[at]?.querySelector(".pick input")?.click();
  },
  n: () => document.querySelector("#news:not([hidden])")?.click(),
  "/": () => {
    const search = document.getElementById("q");
    if (search) search.focus();
    else location.assign("/mentions");
  },
  "?": showHelp,
};

function typing(target) {
  return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat && !"jk".includes(event.key)) return;
  if (help?.open) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const second = performance.now() - prefix < 1500;
  prefix = -Infinity;
  if (second && PLACES[event.key]) {
    event.preventDefault();
    location.assign(PLACES[event.key]);
    return;
  }
  if (event.key === "g") {
    prefix = performance.now();
    return;
  }
  if (event.key === "Enter" && event.target === rows[at]) {
    event.preventDefault();
    open();
    return;
  }
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- what was just done: gone after its seconds, unless somebody is at it ---------------------------------------------

const done = document.getElementById("done");
if (done) {
  const until = performance.now() + Number(done.dataset.seconds) * 1000;
  const fade = setInterval(() => {
    if (performance.now() < until || done.matches(":hover") || done.contains(document.activeElement)) return;
    clearInterval(fade);
    done.hidden = true;
  }, 250);
}

// --- live: news gathers behind a bar, nothing moves ---------------------------------------------------------------------

const live = document.getElementById("live");
const news = document.getElementById("news");
const title = document.title;
let stream = null;
let asking = 0;

function status(words, tone) {
  live.hidden = false;
  say(live, words);
  live.className = `live ${tone}`;
}

function announce(words, alarm) {
  if (!news) return;
  say(news, words);
  news.classList.toggle("alarm", alarm);
  news.hidden = false;
  news.setAttribute("role", alarm ? "alert" : "status");
}

function claimed(row, line) {
  const slot = row.querySelector("[data-claim]");
  const shown = slot.querySelector("time[data-left]")?.dateTime;
  if (!line.claimed_by) {
    if (shown) lapse(slot);
    return;
  }
  if (shown && Math.abs(seconds(shown) - seconds(line.claimed_until)) < 1) return;
  const held = document.createElement("span");
  held.className = "claim held";
  const left = document.createElement("time");
  left.dateTime = line.claimed_until;
  left.dataset.left = "";
  left.textContent = span(seconds(line.claimed_until) - now());
  const me = document.getElementById("responder").value === line.claimed_by;
  held.classList.toggle("mine", me);
  held.append(me ? "you have it, " : `claimed by ${line.claimed_by}, `, left, " left");
  slot.replaceChildren(held);
}

async function compareQueue() {
  const answer = await fetch(`/api/queue${location.search}`, { headers: { accept: "application/json" } });
  if (!answer.ok) return;
  const { tickets } = await answer.json();
  const known = new Map(rows.map((row) => [row.dataset.id, row]));
  const fresh = tickets.filter((line) => !known.has(line.ticket));
  const arrived = fresh.filter((line) => seconds(line.collected_at) > drawnAt / 1000 - ARRIVED);
  const changed = tickets.filter((line) => known.has(line.ticket) && Date.parse(line.last_at) > Date.parse(known.get(line.ticket).dataset.last) + 999);
  for (const line of tickets) if (known.has(line.ticket)) claimed(known.get(line.ticket), line);
  const crisis = arrived.filter((line) => line.lane === "crisis").length;
  const parts = [];
  if (arrived.length) parts.push(`${arrived.length} new`);
  if (crisis) parts.push(`${crisis} crisis`);
  if (changed.length) parts.push(`${changed.length} with new posts`);
  if (parts.length) announce(`${parts.join(", ")}: show`, crisis > 0);
  document.title = arrived.length ? `(${arrived.length} new) ${title}` : title;
}

// A post is new when it was collected after the page was drawn, or so shortly before that it was still being scored.
const ARRIVED = 10 * 60;

async function compareTicket() {
  const answer = await fetch(`/api/tickets/${encodeURIComponent(main.dataset.id)}`);
  if (!answer.ok) return;
  const { ticket, claimed_by: holder } = await answer.json();
  if (Date.parse(ticket.last_at) > Date.parse(main.dataset.last) + 999) announce("new posts in this conversation: show", false);
  else if (ticket.version > Number(main.dataset.version)) announce(holder ? `changed, ${holder} has it: show` : "changed: show", false);
}

const COMPARE = { queue: compareQueue, ticket: compareTicket };

function heard(event) {
  const { change } = JSON.parse(event.data);
  status("live", "on");
  if (change === Number(document.body.dataset.change) || !COMPARE[page]) return;
  clearTimeout(asking); // many changes in a second are one question; colleagues' pages do not ask all at once
  asking = setTimeout(() => COMPARE[page]().catch(() => status("offline", "off")), 300 + 700 * Math.random());
}

function connect() {
  if (stream || document.hidden) return;
  stream = new EventSource("/events");
  stream.addEventListener("news", heard);
  stream.addEventListener("trouble", () => status("store does not answer", "off"));
  stream.addEventListener("error", () => status("connecting again", "off"));
}

// A hidden page needs no news, and a browser keeps only six connections to one host.
function disconnect() {
  stream?.close();
  stream = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // the back button: facts may have changed
});

restore();
connect();
