// Shows the progress of an upload, and takes a dropped file. The form works without this script.
"use strict";

const form = document.getElementById("print");
const progress = document.getElementById("progress");
const bar = progress.querySelector("progress");
const button = form.querySelector("button");

function fail(text) {
  progress.hidden = true;
  button.disabled = false;
  document.getElementById("problem").textContent = text;
}

function show(part) {
  bar.value = part;
  // a screen reader would read each percent
  const said = `${form.dataset.sending} ${Math.floor(part * 10) * 10} %`;
  const place = document.getElementById("sent");
  if (place.textContent !== said) place.textContent = said;
}

function finish(request) {
  const path = new URL(request.responseURL).pathname;
  if (path.startsWith("/jobs/")) return location.assign(path);
  if (path === "/sign-in") return fail(form.dataset.signedOut);
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  fail((page.getElementById("problem") ?? page.getElementById("reason"))?.textContent || form.dataset.lost);
}

form.addEventListener("submit", event => {
  event.preventDefault();
  fail("");
  if (form.elements.file.files[0].size > Number(form.dataset.limit)) return fail(form.dataset.tooLarge);
  const request = new XMLHttpRequest();  // fetch tells nothing of the progress
  request.upload.addEventListener("progress", sent => sent.lengthComputable && show(sent.loaded / sent.total));
  request.addEventListener("load", () => finish(request));
  request.addEventListener("error", () => fail(form.dataset.lost));
  request.open("POST", form.action);
  request.send(new FormData(form));
  button.disabled = true;
  progress.hidden = false;
  show(0);
});

// a form that was printed and comes back from the browser's memory would count as sent again
addEventListener("pageshow", event => event.persisted && location.reload());

for (const name of ["dragenter", "dragover"]) {
  form.addEventListener(name, event => {
    event.preventDefault();
    form.classList.add("over");
  });
}
form.addEventListener("dragleave", event => form.contains(event.relatedTarget) || form.classList.remove("over"));
form.addEventListener("drop", event => {
  event.preventDefault();
  form.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  const one = new DataTransfer();
  one.items.add(event.dataTransfer.files[0]);
  form.elements.file.files = one.files;
});
