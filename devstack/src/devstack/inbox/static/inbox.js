// Everything that comes out of a mail is put in as text, never as markup; its HTML is shown only in
// a sandboxed frame whose policy allows no script and no request.
const POLL_MS = 1500;
const SURE_MS = 3000;

const byId = (id) => document.getElementById(id);
const state = { messages: [], total: 0, stamp: "", chosen: null, read: new Set(), detail: null, tab: "" };

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function person(address) {
  const match = /^\s*"?(.*?)"?\s*<([^<>]*)>\s*$/.exec(address);
  const email = match ? match[2] : address.trim();
  return { name: (match && match[1]) || email || "unknown sender", email };
}

function face(address) {
  const { name } = person(address);
  return element("span", { className: "face", textContent: [...name][0], ariaHidden: "true" });
}

function shortTime(iso) {
  const then = new Date(iso);
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday
    ? then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" })
    : then.toLocaleDateString([], { day: "numeric", month: "short" });
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

const subjectOf = (message) => message.subject || "(no subject)";

/* The list */

function isWanted(message) {
  const wanted = byId("filter").value.trim().toLowerCase();
  const text = [message.subject, message.sender, message.to, ...message.rcpt_to].join(" ");
  return text.toLowerCase().includes(wanted);
}

function row(message, hasArrived) {
  const classes = ["row", state.read.has(message.id) ? "" : "unread", hasArrived ? "arrived" : ""];
  const made = element(
    "button",
    { type: "button", className: classes.filter(Boolean).join(" ") },
    face(message.sender || message.mail_from),
    element("span", { className: "from", textContent: person(message.sender || message.mail_from).name }),
    element("time", { className: "when", dateTime: message.received_at, textContent: shortTime(message.received_at) }),
    element("span", { className: "subject", textContent: subjectOf(message) }),
    element("span", { className: "to", textContent: `to ${message.rcpt_to.join(", ")}` }),
  );
  made.dataset.id = message.id;
  made.setAttribute("aria-current", String(message.id === state.chosen));
  made.addEventListener("click", () => { location.hash = `#/${message.id}`; });
  return element("li", {}, made);
}

function showList(known = null) {
  const list = byId("messages");
  const place = list.scrollTop;
  const focused = document.activeElement?.dataset?.id;
  const shown = state.messages.filter(isWanted);
  list.replaceChildren(...shown.map((each) => row(each, known !== null && !known.has(each.id))));
  list.scrollTop = place;
  if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();
  const all = `${state.total} ${state.total === 1 ? "mail" : "mails"}`;
  byId("count").textContent = shown.length === state.total ? all : `${shown.length} of ${all}`;
  byId("clear").disabled = state.total === 0;
  const unread = state.messages.filter((each) => !state.read.has(each.id)).length;
  document.title = `${unread ? `(${unread}) ` : ""}Inbox · Maskwatch`;
}

/* One mail */

const TABS = {
  Message: (mail) => (mail.html === null ? text(mail) : frame(mail)),
  Text: text,
  Headers: headers,
  Parts: parts,
};

function frame(mail) {
  const made = element("iframe", { title: `Mail: ${subjectOf(mail)}`, src: `/messages/${mail.id}/html` });
  // No script runs in it; the origin is kept so that its height can be read.
  made.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
  const fit = () => {
    const page = made.contentDocument?.documentElement;
    if (page) made.style.height = `${page.scrollHeight}px`;
  };
  made.addEventListener("load", () => {
    fit();
    new ResizeObserver(fit).observe(made.parentElement);
  });
  return made;
}

function text(mail) {
  return element("pre", { textContent: mail.text || "This mail has no text part." });
}

function headers(mail) {
  return element("dl", {}, ...mail.headers.flatMap(([name, value]) => [
    element("dt", { textContent: name }),
    element("dd", { textContent: value }),
  ]));
}

function parts(mail) {
  return element("ul", { className: "parts" }, ...mail.parts.map((part) => {
    const isPicture = part.content_type.startsWith("image/");
    const link = element("a", { href: part.url, target: "_blank", rel: "noopener" });
    link.append(part.filename || (part.content_id ? `cid:${part.content_id}` : part.content_type));
    return element(
      "li",
      {},
      isPicture
        ? element("img", { src: part.url, alt: "", loading: "lazy" })
        : element("span", { className: "kind", textContent: part.content_type.split("/")[1] }),
      element("div", {}, element("b", {}, link), element("span", {
        textContent: [part.content_type, size(part.size_bytes), part.disposition].filter(Boolean).join(" · "),
      })),
    );
  }));
}

function tabs(mail, sheet) {
  const choose = (name) => {
    state.tab = name;
    sheet.replaceChildren(TABS[name](mail));
    for (const each of bar.querySelectorAll("button")) {
      each.setAttribute("aria-selected", String(each.dataset.tab === name));
    }
  };
  const bar = element("div", { className: "tabs", role: "tablist" });
  for (const name of Object.keys(TABS)) {
    const button = element("button", { type: "button", role: "tab", textContent: name });
    if (name === "Parts") button.append(" ", element("small", { textContent: mail.parts.length }));
    button.dataset.tab = name;
    button.addEventListener("click", () => choose(name));
    bar.append(button);
  }
  const raw = `/api/messages/${mail.id}/raw`;
  bar.append(element("a", { href: raw, target: "_blank", rel: "noopener", textContent: "Source" }));
  choose(state.tab in TABS ? state.tab : "Message");
  return bar;
}

function people(mail) {
  const from = person(mail.sender || mail.mail_from);
  const isPlain = from.name === from.email;
  return element(
    "div",
    { className: "people" },
    face(mail.sender || mail.mail_from),
    element(
      "div",
      { className: "names" },
      element("div", {}, element("b", { textContent: from.name }), isPlain ? null : element("span", { textContent: `  ${from.email}` })),
      element("span", { textContent: `to ${mail.to || "nobody named in the mail"}` }),
      element("span", { className: "envelope", textContent: `delivered to ${mail.rcpt_to.join(", ")} · ${size(mail.size_bytes)}` }),
    ),
    element("time", { dateTime: mail.received_at, textContent: new Date(mail.received_at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }) }),
  );
}

function showMail() {
  const pane = byId("mail");
  const mail = state.detail;
  byId("panes").classList.toggle("reading", mail !== null);
  byId("panes").classList.toggle("blank", state.total === 0);
  if (mail === null) {
    const name = state.total === 0 ? "nothing-yet" : "nothing-chosen";
    pane.replaceChildren(byId(name).content.cloneNode(true));
    return;
  }
  const back = element("button", { type: "button", className: "back", textContent: "‹ All mails" });
  back.addEventListener("click", () => { location.hash = "#/"; });
  const sheet = element("div", { className: "sheet" });
  pane.replaceChildren(
    back,
    element("h2", { className: "subject-line", textContent: subjectOf(mail) }),
    people(mail),
    tabs(mail, sheet),
    sheet,
  );
  pane.scrollTop = 0;
}

/* What the server says */

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

async function choose() {
  const number = Number(/^#\/(\d+)$/.exec(location.hash)?.[1]);
  state.chosen = number || null;
  state.detail = null;
  if (state.chosen !== null) {
    state.detail = await ask(`/api/messages/${state.chosen}`).catch(() => null);
    if (state.detail !== null) state.read.add(state.chosen);
  }
  showList();
  showMail();
}

async function refresh() {
  const summary = await ask("/api/summary");
  for (const place of document.querySelectorAll("#smtp")) place.textContent = `smtp://${summary.smtp_address}`;
  const stamp = `${summary.total} ${summary.newest_id}`;
  if (stamp === state.stamp) return;
  const known = state.stamp === "" ? null : new Set(state.messages.map((each) => each.id));
  const list = await ask("/api/messages");
  Object.assign(state, { messages: list.messages, total: list.total, stamp });
  showList(known);
  if (state.detail === null || list.total === 0) {
    state.detail = null;
    showMail();
    for (const place of document.querySelectorAll("#smtp")) place.textContent = `smtp://${summary.smtp_address}`;
  }
}

async function poll() {
  const live = byId("live");
  try {
    await refresh();
    live.classList.add("on");
    live.lastChild.textContent = "live";
  } catch {
    live.classList.remove("on");
    live.lastChild.textContent = "inbox is not running";
  }
  setTimeout(poll, POLL_MS);
}

// Two presses within three seconds: the first one asks.
byId("clear").addEventListener("click", async ({ currentTarget: button }) => {
  if (!button.classList.contains("sure")) {
    button.classList.add("sure");
    button.textContent = "Remove all?";
    setTimeout(() => { button.classList.remove("sure"); button.textContent = "Clear"; }, SURE_MS);
    return;
  }
  await ask("/api/messages", { method: "DELETE" });
  location.hash = "#/";
  await refresh();
});
byId("filter").addEventListener("input", () => showList());
addEventListener("hashchange", choose);
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.target.closest("input, article")) return;
  const rows = [...document.querySelectorAll(".row")];
  const next = rows[rows.findIndex((each) => Number(each.dataset.id) === state.chosen) + step];
  if (next) { event.preventDefault(); next.click(); next.focus(); }
});
await poll();
await choose();
