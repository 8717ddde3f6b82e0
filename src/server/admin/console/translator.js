// The translator: a message of one dialect in all others.

import { ask } from "./asking.js";
import { byId, element, say } from "./drawing.js";

const json = "Content-Type: application/json";

/** Messages to begin with: title, dialect, text, and for an answer what it answers. */
const EXAMPLES = [
  ["ShopXO registers a phone", "shopxo", `POST /api.php?s=user/reg&application=app HTTP/1.1
${json}

{"accounts":"13800138000","pwd":"a-fine-password","verify":"1234","type":"sms"}`],
  ["ShopXO registers a bare name", "shopxo", `POST /api.php?s=user/reg&application=app HTTP/1.1
${json}

{"accounts":"zoe","pwd":"a-fine-password","type":"username"}`],
  ["coolkit logs in", "coolkit", `POST /api/user/login HTTP/1.1
Authorization: Sign AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
${json}

{"appid":"your-app-id","nonce":"a1b2c3d4","ts":1558004249,"version":8,"phoneNumber":"+8613800138000","password":"a-fine-password"}`],
  ["qingzhenyun asks for a code", "qingzhenyun", `POST /v1/user/sendRegisterMessage HTTP/1.1
${json}

{"countryCode":"86","phone":"13800138000"}`],
  ["Discuz! Q logs in", "discuzq", `POST /api/login HTTP/1.1
${json}

{"data":{"attributes":{"username":"zoe","password":"a-fine-password"}}}`],
  ["canonical changes a password", "canonical", `PUT /v1/accounts/me/password HTTP/1.1
Authorization: Bearer a-token
${json}

{"old_password":"a-fine-password","new_password":"a-finer-password","password_form":"plain"}`],
  ["ShopXO answers: wrong password", "shopxo", `HTTP/1.1 200 OK
${json}

{"msg":"密码错误","code":-4,"data":""}`, "login"],
];

const option = (text, value = text) => element("option", { value }, text);
const isAnswer = () => byId("message").value.trimStart().startsWith("HTTP/");

function offerOperation() {
  for (const part of document.querySelectorAll("[data-answers]")) part.hidden = !isAnswer();
}

function take(index) {
  const [, from, message, operation] = EXAMPLES[index];
  byId("from").value = from;
  byId("message").value = message;
  if (operation) byId("operation").value = operation;
  offerOperation();
}

function card(title, tag, children, unsaid = false) {
  const header = element("header", {}, element("h3", {}, title), element("span", { class: "tag" }, tag));
  const attributes = { class: "version", "aria-label": title };
  if (unsaid) attributes["data-unsaid"] = "";
  return element("article", attributes, header, ...children);
}

/** Only where the browser lets a page write to the clipboard. */
function copying(article, texts) {
  if (!navigator.clipboard || texts.length === 0) return article;
  const button = element("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(texts.join("\n\n"));
    say(button, "Copied");
  });
  article.firstChild.append(button);
  return article;
}

function notesOf(notes) {
  return notes.length > 0 ? [element("ul", {}, ...notes.map((note) => element("li", {}, note)))] : [];
}

function unsaidCard(dialect, unsaid, notes) {
  const said = element("p", { class: "said" }, `${unsaid.detail} (`, element("code", {}, unsaid.code), "). The client is answered:");
  return card(dialect, "can’t be said", [said, element("pre", {}, unsaid.answer), ...notesOf(notes)], true);
}

function versionCard({ dialect, messages, unsaid, notes }) {
  if (unsaid) return unsaidCard(dialect, unsaid, notes);
  const tag = messages.length > 1 ? `${messages.length} calls` : notes.length > 0 ? "with notes" : "all of it";
  return copying(card(dialect, tag, [...messages.map((text) => element("pre", {}, text)), ...notesOf(notes)]), messages);
}

function showAll(translated) {
  const { canonical, unreadable, versions, kind } = translated;
  if (unreadable) {
    say(byId("summary"), `This is no good ${kind} of ${byId("from").value}.`);
    byId("versions").replaceChildren(unsaidCard(byId("from").value, unreadable, []));
    return;
  }
  const said = versions.filter((version) => !version.unsaid).length;
  const left = versions.length - said;
  say(byId("summary"), `Said in ${said} of ${versions.length} dialects${left > 0 ? `; ${left} can’t say it` : ""}.`);
  const meaning = card("What it says", "canonical form", [element("pre", {}, JSON.stringify(canonical, null, 2))]);
  byId("versions").replaceChildren(meaning, ...versions.map(versionCard));
}

async function translate() {
  const wish = { from: byId("from").value, message: byId("message").value };
  if (isAnswer()) wish.operation = byId("operation").value;
  say(byId("summary"), "Translating …");
  byId("versions").replaceChildren();
  try {
    const response = await ask("/translate.json", wish);
    const told = await response.json();
    if (response.ok) showAll(told);
    else say(byId("summary"), told.detail ?? told.title);
  } catch {
    say(byId("summary"), "The gateway could not be asked. Is it still running?");
  }
}

/** Fills the form and listens to it; true once that is done. */
export async function startTranslator() {
  const response = await ask("/translate.json");
  if (!response.ok) return false;
  const { dialects, operations } = await response.json();
  byId("from").replaceChildren(...dialects.map((name) => option(name)));
  byId("operation").replaceChildren(...operations.map((name) => option(name)));
  const known = EXAMPLES.map((example, index) => [example, index]).filter(([[, from]]) => dialects.includes(from));
  byId("example").replaceChildren(...known.map(([[title], index]) => option(title, index)));
  if (known.length > 0) take(known[0][1]);
  byId("example").addEventListener("change", (event) => take(Number(event.target.value)));
  byId("message").addEventListener("input", offerOperation);
  byId("message").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("translate").requestSubmit();
  });
  byId("translate").addEventListener("submit", (event) => {
    event.preventDefault();
    translate();
  });
  return true;
}
