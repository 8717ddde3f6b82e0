// The page: asks for the figures every two seconds and shows them.

import { TokenNeeded, ask, hasToken, setToken } from "./asking.js";
import { byId, element, fill, meter, row, say, spark } from "./drawing.js";
import { History, INTERVAL, age, bytes, count, duration, perSecond, percent } from "./figures.js";
import { startTranslator } from "./translator.js";

const SLOTS = 150;
const WORDS = { ready: "Ready", draining: "Draining" };
const history = new History();

function tell(state, text) {
  byId("state").dataset.state = state;
  say(byId("state"), text);
}

function drawSpark(id, values) {
  spark(byId(id), values, SLOTS);
}

function showTiles() {
  const [all, refused] = [history.rate("dragoman_requests_total"), history.rate("dragoman_refusals_total")];
  say(byId("rate"), perSecond(all));
  drawSpark("rate-spark", history.rates("dragoman_requests_total"));
  const [inFlight, connections] = [history.now("dragoman_in_flight_requests"), history.now("dragoman_connections")];
  say(byId("rate-beside"), `${count(inFlight)} under way on ${count(connections)} connections`);
  say(byId("refused"), perSecond(refused));
  drawSpark("refused-spark", history.rates("dragoman_refusals_total"));
  const wouldBe = history.growth("dragoman_would_be_refusals_total");
  const reported = wouldBe > 0 ? `, ${count(wouldBe)} more only reported` : "";
  say(byId("refused-beside"), all > 0 ? `${percent(refused, all)} of the calls${reported}` : `Quiet${reported}`);
  for (const [id, name] of [["whole", "dragoman_request_duration_seconds"], ["own", "dragoman_own_duration_seconds"]]) {
    say(byId(id), duration(history.quantile(name, 0.99)));
    drawSpark(`${id}-spark`, history.quantiles(name, 0.99));
    const half = history.quantile(name, 0.5);
    say(byId(`${id}-beside`), half === null ? "No call in the last minute" : `Half of them within ${duration(half)}`);
  }
}

/** The values that a label has, each with the sum of its samples. */
function grouped(name, key) {
  const groups = new Map();
  for (const { labels, value } of history.samples(name)) {
    const group = key(labels);
    groups.set(group, (groups.get(group) ?? 0) + value);
  }
  return [...groups].sort(([, one], [, other]) => other - one);
}

function showDialects() {
  const name = "dragoman_requests_total";
  const rows = grouped(name, (labels) => labels.dialect).map(([dialect, total]) => {
    const of = (labels) => labels.dialect === dialect;
    const isGood = (labels) => of(labels) && ["success", "passed_through"].includes(labels.outcome);
    const rate = history.rate(name, of);
    return row([dialect], [perSecond(rate), percent(history.now(name, isGood), total), count(total)], rate === 0);
  });
  fill(byId("dialects"), byId("dialects-empty"), rows);
}

function showRefusals() {
  const name = "dragoman_refusals_total";
  const groups = grouped(name, (labels) => `${labels.guard}\n${labels.reason}`).filter(([, total]) => total > 0);
  const rows = groups.map(([group, total]) => {
    const [guard, reason] = group.split("\n");
    const late = history.growth(name, (labels) => labels.guard === guard && labels.reason === reason);
    const heading = [element("span", { class: "guard" }, `${guard} · `), reason.replaceAll("_", " ")];
    return row(heading, [count(late), count(total)], late === 0);
  });
  fill(byId("refusals"), byId("refusals-empty"), rows);
}

function showUpstream() {
  const several = new Set(history.samples("dragoman_upstream_address_up").map(({ labels }) => labels.region)).size > 1;
  const addresses = history.samples("dragoman_upstream_address_up").map(({ labels, value }) => {
    const place = several ? `${labels.region}, address ${labels.address}` : `Address ${labels.address}`;
    return element("li", { "data-up": value > 0 ? "yes" : "no" }, `${place}: ${value > 0 ? "up" : "ejected"}`);
  });
  const waiting = history.now("dragoman_upstream_calls", (labels) => labels.state === "waiting");
  if (waiting > 0) addresses.push(element("li", { "data-up": "no" }, `${count(waiting)} calls wait`));
  byId("addresses").replaceChildren(...addresses);
  const name = "dragoman_upstream_attempts_total";
  const rows = grouped(name, (labels) => `${labels.upstream}\n${labels.result}`).map(([group, total]) => {
    const [upstream, result] = group.split("\n");
    const rate = history.rate(name, (labels) => labels.upstream === upstream && labels.result === result);
    const heading = [element("span", { class: "guard" }, `${upstream} · `), result.replaceAll("_", " ")];
    return row(heading, [perSecond(rate), count(total)], rate === 0);
  });
  fill(byId("attempts"), byId("upstream-empty"), rows);
}

function showRoom() {
  const meters = [];
  const bounded = (title, name, bound) => {
    const [used, all] = [history.now(name), history.now(bound)];
    if (used !== null && all > 0) meters.push(meter(title, `${count(used)} of ${count(all)}`, used / all));
  };
  bounded("Replay memory", "dragoman_replay_entries", "dragoman_replay_entries_bound");
  bounded("Throttle memory", "dragoman_throttle_entries", "dragoman_throttle_entries_bound");
  bounded("File handles", "process_open_fds", "process_max_fds");
  const plain = (title, words) => meters.push(element("div", {}, element("dt", {}, title), element("dd", {}, words)));
  const connected = history.now("dragoman_store_connected");
  if (connected !== null) {
    const took = history.quantile("dragoman_store_duration_seconds", 0.99);
    const late = took === null ? "not asked in the last minute" : `p99 ${duration(took)}`;
    plain("Shared store", connected > 0 ? `connected, ${late}` : "away");
  }
  plain("Memory", bytes(history.now("process_resident_memory_bytes")));
  byId("meters").replaceChildren(...meters);
}

function showAbout() {
  const label = (name, key) => history.samples(name)[0]?.labels[key] ?? "?";
  const up = age(Date.now() / 1000 - history.now("process_start_time_seconds"));
  const version = `${label("dragoman_build_info", "version")}, up ${up}, config ${label("dragoman_config_info", "hash")}`;
  const stale = history.now("dragoman_config_last_reload_successful") === 0;
  say(byId("about"), stale ? `${version}; the last reload was refused` : version);
}

function show({ state, outbox, figures }) {
  history.add(performance.now() / 1000, figures);
  byId("outbox").hidden = !outbox;
  showTiles();
  showDialects();
  showRefusals();
  showUpstream();
  showRoom();
  showAbout();
  tell(state === "ready" ? "good" : "bad", WORDS[state] ?? `Not ready: ${state}`);
}

function askForToken() {
  tell("waiting", "Token needed");
  say(byId("token-wrong"), hasToken() ? "That is not the token of this listener." : "");
  setToken(null);
  byId("main").hidden = true;
  byId("token-form").hidden = false;
  byId("token").value = "";
  byId("token").focus();
}

async function watch() {
  let translating = false;
  for (;;) {
    try {
      const response = await ask("/figures.json");
      if (!response.ok) throw new Error(`status ${response.status}`);
      show(await response.json());
      if (!translating) translating = await startTranslator();
    } catch (error) {
      if (error instanceof TokenNeeded) return askForToken();
      tell("bad", "Unreachable");
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL * 1000));
  }
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(byId("token").value);
  byId("token-form").hidden = true;
  byId("main").hidden = false;
  watch();
});

// A link can't carry a token, so with one its page is shown here.
for (const link of document.querySelectorAll("a[data-page]")) {
  link.addEventListener("click", async (event) => {
    if (!hasToken()) return;
    event.preventDefault();
    const path = link.dataset.page || link.getAttribute("href");
    const response = await ask(path);
    say(byId("viewer-title"), path);
    say(byId("viewer-text"), await response.text());
    byId("viewer").showModal();
  });
}

watch();
