// What the console does beyond plain links and forms. Without this script every page works and stands still.
//
//   [data-live]     is fetched again every few seconds; the value is the pause in seconds
//   [data-search]   a form whose answer is shown while one types, in place of the element that the value names
//   [data-bench]    a form whose text is tried while one types; the value is the address to send it to
//   [data-find]     the field that / goes to
"use strict";

const page = document.documentElement;
const parse = (text) => new DOMParser().parseFromString(text, "text/html");

// swap puts the elements of a fresh page in place of those with the same id. What the reader has opened stays open,
// and an element that holds the focus or selected text is left alone until the next time.
function swap(fresh, ids) {
  for (const id of ids) {
    const old = document.getElementById(id), next = fresh.getElementById(id);
    if (!old || !next || old.innerHTML === next.innerHTML) continue;
    const selection = getSelection();
    if (!selection.isCollapsed && old.contains(selection.anchorNode)) continue;
    const focused = old.contains(document.activeElement) && document.activeElement;
    const open = [...old.querySelectorAll("details")].map((d) => d.open);
    const scrolled = [...old.querySelectorAll(".frame")].map((f) => f.scrollLeft);
    const links = focused ? [...old.querySelectorAll("a, button, input, summary, [tabindex]")].indexOf(focused) : -1;
    old.replaceChildren(...document.adoptNode(next).childNodes);
    old.className = next.className;
    old.querySelectorAll("details").forEach((d, i) => { d.open = open[i] ?? d.open; });
    old.querySelectorAll(".frame").forEach((f, i) => { f.scrollLeft = scrolled[i] ?? 0; });
    if (links >= 0) old.querySelectorAll("a, button, input, summary, [tabindex]")[links]?.focus({ preventScroll: true });
  }
}

async function load(address, options) {
  const answer = await fetch(address, { cache: "no-store", ...options });
  if (answer.status === 503) throw new Error("the exporter is busy");
  if (!answer.ok && answer.status !== 400) throw new Error(`the exporter answered ${answer.status}`);
  return parse(await answer.text());
}

// Live parts. A page in the background rests; an exporter that does not answer is said to be silent, with the time
// since when, because figures that stand still look as if all were well.
const live = [...document.querySelectorAll("[data-live]")];
const silence = document.getElementById("silence");
const pause = document.getElementById("pause");
let answered = new Date();

async function renew() {
  if (document.hidden || page.dataset.paused) return;
  try {
    const fresh = await load(location.href);
    const pill = document.getElementById("pill"), before = pill.innerText;
    swap(fresh, [...live.map((e) => e.id), "pill"]);
    if (pill.innerText !== before) document.getElementById("said").textContent = pill.innerText; // for screen readers
    document.title = fresh.title;
    answered = new Date();
    silence.hidden = true;
  } catch (e) {
    const why = e instanceof TypeError ? "no answer from the exporter" : e.message; // fetch says so if nothing answers
    silence.textContent = `Not renewed since ${answered.toLocaleTimeString()}: ${why}. The page shows what it said then.`;
    silence.hidden = false;
  }
}

if (live.length > 0) {
  const every = Math.min(...live.map((e) => Number(e.dataset.live)));
  (async function again() {
    await new Promise((done) => { setTimeout(done, every * 1000); });
    await renew();
    again();
  })();
  document.addEventListener("visibilitychange", renew);
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = page.toggleAttribute("data-paused");
    page.dataset.paused = "1";
    if (!paused) delete page.dataset.paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.querySelector("span").textContent = paused ? "Paused" : "Live";
    if (!paused) renew();
  });
}

// typing calls back once the reader has stopped typing for a moment; an answer that comes after a later question is
// thrown away.
function typing(field, act) {
  let timer, number = 0;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    const mine = ++number;
    timer = setTimeout(() => act(() => mine === number), 150);
  });
}

for (const form of document.querySelectorAll("[data-search]")) {
  const target = document.getElementById(form.dataset.search);
  typing(form, async (latest) => {
    const address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
    target.classList.add("busy");
    try {
      const fresh = await load(address);
      if (!latest()) return;
      swap(fresh, [target.id]);
      history.replaceState(null, "", address);
    } catch {
      return; // the next key or the button asks again
    } finally {
      target.classList.remove("busy");
    }
  });
}

// The workbench sends the text of a rule file with a content type that no form can send.
for (const form of document.querySelectorAll("[data-bench]")) {
  const { text, own } = form.elements, gutter = form.querySelector(".editor pre"), result = document.getElementById("result");
  const number = () => {
    const bad = new Set([...result.querySelectorAll(".notice.bad [data-line]")].map((e) => Number(e.dataset.line)));
    const lines = text.value.split("\n").map((_, i) => {
      const line = document.createElement(bad.has(i + 1) ? "mark" : "span");
      line.textContent = i + 1;
      return line;
    });
    gutter.replaceChildren(...lines);
    gutter.scrollTop = text.scrollTop;
  };
  const attempt = async (latest) => {
    result.classList.add("busy");
    try {
      const address = new URL(form.dataset.bench, location.href);
      for (const name of own.value.split("\n")) if (name.trim()) address.searchParams.append("name", name.trim());
      const fresh = await load(address, { method: "POST", body: text.value, headers: { "Content-Type": "application/yaml" } });
      if (!fresh.getElementById("result")) throw new Error(fresh.querySelector("main").textContent.trim());
      if (latest()) swap(fresh, ["result"]);
    } catch (e) {
      if (latest()) result.textContent = `The rules could not be tried: ${e.message}.`;
    } finally {
      result.classList.remove("busy");
      number();
    }
  };
  typing(form, attempt);
  text.addEventListener("input", number);
  text.addEventListener("scroll", () => { gutter.scrollTop = text.scrollTop; });
  result.addEventListener("click", (e) => { // a line that is named goes to its place in the text
    const place = e.target.closest("[data-line]");
    if (!place) return;
    const start = text.value.split("\n").slice(0, place.dataset.line - 1).join("\n").length + (place.dataset.line > 1 ? 1 : 0);
    const at = start + Math.max(0, place.dataset.column - 1);
    text.focus();
    text.setSelectionRange(at, at);
  });
  form.querySelector("[type=file]").addEventListener("change", async (e) => {
    if (!e.target.files[0]) return;
    text.value = await e.target.files[0].text();
    attempt(() => true);
  });
  form.querySelector("[data-download]").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text.value], { type: "application/yaml" }));
    link.download = "rules.yaml";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  number();
  if (text.value.trim() !== "") attempt(() => true);
}

document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
  const field = [...document.querySelectorAll("[data-find]")].findLast((f) => f.offsetParent);
  if (!field) return;
  e.preventDefault();
  field.focus();
  field.select();
});
