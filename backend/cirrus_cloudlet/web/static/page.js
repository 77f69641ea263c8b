// Updates the parts of a page that have changed on the server. Forms work without this script.
"use strict";

const EVERY_MS = 1000;
const PATIENCE_MS = 2500;  // then the page says that the server is silent
const TIMEOUT_MS = 30000;
const parser = new DOMParser();
let tag = "";
let timer = 0;
let failure = "";  // why the server refused the last change; shown until the next change
const sent = new Set();  // the changes under way

function tell(trouble) {
  const place = document.getElementById("trouble");
  place.hidden = !trouble;
  if (place.textContent !== trouble) place.textContent = trouble;  // a screen reader reads each change
}

// The page's own texts are in the language of the page.
function tellOf(text) {
  tell(document.getElementById("trouble").dataset[text]);
}

// Shows a new picture as if it came out of a printer.
function comeOut(picture) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  picture.addEventListener("load", () => picture.animate([
    {clipPath: "inset(0 0 100% 0)", transform: "translateY(-1.5rem)"},
    {clipPath: "inset(0)", transform: "none"},
  ], {duration: 700, easing: "ease-out"}), {once: true});
}

// Puts `part` in the place of `own`, if there is one. Pictures that are shown stay in this document:
// in another document they would be loaded again, and flicker.
function put(list, part, next, own) {
  const shown = new Map(Array.from(own?.querySelectorAll("img") ?? [], each => [each.src, each]));
  const kept = [];
  for (const picture of part.querySelectorAll("img")) {
    const same = shown.get(picture.src);
    if (same) {
      const place = document.createElement("span");
      picture.replaceWith(place);
      kept.push([place, same]);
    } else {
      comeOut(picture);
    }
  }
  list.insertBefore(part, next);
  for (const [place, picture] of kept) place.replaceWith(picture);
  own?.remove();
}

// Replaces the parts of `list` by those of `wanted`; equal parts stay, with their focus.
function merge(list, wanted) {
  const old = new Map(Array.from(list.children, part => [part.id, part]));
  const news = [];
  let next = list.firstElementChild;
  for (const part of Array.from(wanted.children)) {
    const own = old.get(part.id);
    old.delete(part.id);
    if (own === next) next = next?.nextElementSibling;
    if (own?.isEqualNode(part)) {
      if (own.nextElementSibling !== next) list.insertBefore(own, next);
    } else {
      put(list, part, next, own);
      if (part.dataset.news && part.dataset.news !== own?.dataset.news) news.push(part.dataset.news);
    }
  }
  for (const part of old.values()) part.remove();
  return news;
}

function takeOver(text) {
  const fresh = parser.parseFromString(text, "text/html");
  const focused = document.activeElement?.id;
  const news = [];
  for (const list of document.querySelectorAll("[data-live]")) {
    const wanted = fresh.getElementById(list.id);
    if (wanted) news.push(...merge(list, wanted));
  }
  if (focused) document.getElementById(focused)?.focus({preventScroll: true});
  if (news.length) document.getElementById("news").textContent = news.join(". ");
}

// Sends a request. Says that the server does not respond as soon as that is likely; a slow answer still counts.
async function request(url, options) {
  const warning = setTimeout(tellOf, PATIENCE_MS, "silent");
  try {
    return await fetch(url, {...options, signal: AbortSignal.timeout(TIMEOUT_MS)});
  } finally {
    clearTimeout(warning);
  }
}

async function refresh() {
  clearTimeout(timer);
  if (!document.querySelector("[data-live]")) return;
  try {
    const answer = await request(location.href, {cache: "no-store", headers: {"If-None-Match": tag}});
    if (answer.redirected) return location.reload();  // signed out meanwhile
    if (answer.status !== 304) {
      if (!answer.ok || !answer.headers.has("ETag")) throw new Error(answer.statusText);
      tag = answer.headers.get("ETag");
      takeOver(await answer.text());
    }
    tell(failure);
  } catch {
    tellOf("silent");
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, EVERY_MS);
}

async function send(form) {
  if (sent.has(form.action)) return;  // a double click
  sent.add(form.action);
  failure = "";
  try {
    failure = await change(form);
    await refresh();
  } catch {
    tellOf("unsent");
  } finally {
    sent.delete(form.action);
  }
}

// Returns why the server refuses the change; nothing if the change is made.
async function change(form) {
  const answer = await request(form.action, {method: "POST", body: new URLSearchParams(new FormData(form))});
  if (answer.ok) return "";
  return parser.parseFromString(await answer.text(), "text/html").getElementById("reason").textContent;
}

document.addEventListener("submit", event => {
  const form = event.target;
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return event.preventDefault();
  if (!form.closest("[data-live]") || "download" in form.dataset) return;
  event.preventDefault();
  send(form);
});
const all = document.getElementById("all");
if (all) {
  all.parentElement.hidden = false;
  all.addEventListener("change", () => {
    for (const each of document.querySelectorAll(".select")) each.checked = all.checked;
  });
}
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
