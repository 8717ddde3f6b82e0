// Looks at the console with headless Chromium, as an operator would, and prints what it saw as one JSON line.
//
//   node console.js SCENARIO   reads {admin, token?, picture?} from stdin; `admin` is the listener's address
//
// A scenario that waits for calls prints the line `ready` when they should begin.
'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');

const FLAGS = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
  // A name that an attacker points at this machine.
  '--host-resolver-rules=MAP evil.example 127.0.0.1',
];
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

/** A page with what it asked for and what its security policy refused. */
async function open(browser, { admin, viewport = DESKTOP, colorScheme = 'light', target = '/' }) {
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: viewport === PHONE ? 2 : 1 });
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));
  });
  const page = await context.newPage();
  const seen = { origins: {}, errors: [] };
  page.on('request', (request) => {
    const { origin } = new URL(request.url());
    seen.origins[origin] = (seen.origins[origin] || 0) + 1;
  });
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('console', (message) => {
    // Chromium tells every status above 399 so; the page says it in its own words.
    const isStatus = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isStatus) seen.errors.push(message.text());
  });
  await page.goto(`http://${admin}${target}`);
  return { page, seen };
}

async function whatWasSeen({ page, seen }) {
  return { ...seen, violations: await page.evaluate(() => window.violations) };
}

const ready = (page) => page.waitForSelector('#state[data-state="good"]');

async function translated(page) {
  await page.waitForSelector('.version');
  return page.$$eval('.version', (cards) =>
    cards.map((card) => ({
      title: card.querySelector('h3').textContent,
      unsaid: card.hasAttribute('data-unsaid'),
      text: card.textContent,
    })),
  );
}

/** What is hard to read or sticks out; runs in the page. */
function looks() {
  const numbers = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const pale = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('.skip, .unseen, script, noscript')) continue;
    texts += 1;
    const [one, other] = [light(numbers(getComputedStyle(node).color)), light(behind(node))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) pale.push(`${walker.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  const unnamed = [...document.querySelectorAll('select, input, textarea, button, a')]
    .filter((node) => !(node.labels?.length || node.textContent.trim() || node.getAttribute('aria-label')))
    .map((node) => node.id);
  return {
    texts,
    pale,
    unnamed,
    tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    paper: light(numbers(getComputedStyle(document.body).backgroundColor)),
  };
}

const scenarios = {
  /** Each width in each scheme, with the translator's cards open. */
  async looks(browser, { admin }) {
    const views = [];
    for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      for (const colorScheme of ['light', 'dark']) {
        const view = await open(browser, { admin, viewport, colorScheme });
        await ready(view.page);
        await view.page.selectOption('#example', { label: 'ShopXO registers a bare name' });
        await view.page.click('#translate button[type=submit]');
        await translated(view.page);
        views.push({ name, colorScheme, ...(await view.page.evaluate(looks)), ...(await whatWasSeen(view)) });
      }
    }
    return views;
  },

  /** The empty page, then the page after calls. */
  async live(browser, { admin }) {
    const view = await open(browser, { admin });
    await ready(view.page);
    const empty = await view.page.isVisible('#dialects-empty') && await view.page.isVisible('#refusals-empty');
    console.log('ready');
    await view.page.waitForSelector('#dialects tbody tr');
    await view.page.waitForSelector('#refusals tbody tr');
    await view.page.waitForFunction(() => Number(document.querySelector('#rate').textContent) > 0);
    const row = await view.page.textContent('#dialects tbody tr');
    const refusal = await view.page.textContent('#refusals tbody tr');
    await view.page.waitForFunction(
      (before) => document.querySelector('#dialects tbody tr').textContent !== before, row);
    const moving = await view.page.evaluate(() => ({
      whole: document.querySelector('#whole').textContent,
      own: document.querySelector('#own').textContent,
      lines: document.querySelectorAll('.spark .line').length,
      meters: document.querySelector('#meters').textContent,
      attempts: document.querySelector('#attempts').textContent,
    }));
    return { empty, row, refusal, ...moving, ...(await whatWasSeen(view)) };
  },

  /** A registration of ShopXO, one that some dialects can't say, an answer, and something that is no message. */
  async translator(browser, { admin }) {
    const view = await open(browser, { admin });
    await ready(view.page);
    const results = {};
    for (const label of ['ShopXO registers a phone', 'ShopXO registers a bare name', 'ShopXO answers: wrong password']) {
      await view.page.selectOption('#example', { label });
      await view.page.click('#translate button[type=submit]');
      results[label] = { cards: await translated(view.page), summary: await view.page.textContent('#summary') };
    }
    await view.page.fill('#message', '<b onclick="alert(1)">hello</b>');
    await view.page.click('#translate button[type=submit]');
    await view.page.waitForFunction(() => document.querySelector('#summary').textContent.includes('no HTTP message'));
    return { results, ...(await whatWasSeen(view)) };
  },

  /** Nothing but keys: every control is reached and shows that it is, and a message is translated. */
  async keyboard(browser, { admin }) {
    const view = await open(browser, { admin });
    const { keyboard } = view.page;
    await ready(view.page);
    await view.page.waitForFunction(() => document.querySelector('#from').options.length > 0);
    const reached = [];
    const focused = () => view.page.evaluate(() => {
      const node = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(node);
      const name = node.id || node.getAttribute('href') || node.textContent.trim();
      return { name, visible: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
    });
    const tabTo = async (name) => {
      for (let steps = 0; steps < 30; steps += 1) {
        await keyboard.press('Tab');
        reached.push(await focused());
        if (reached.at(-1).name === name) return;
      }
      throw new Error(`${name} is not reached: ${JSON.stringify(reached)}`);
    };
    await tabTo('example');
    await keyboard.press('ArrowDown');
    await tabTo('message');
    await keyboard.press('Control+Enter');
    const cards = await translated(view.page);
    await tabTo('Translate');
    return { reached, cards, ...(await whatWasSeen(view)) };
  },

  /** A listener with a token: the page asks for it, and shows nothing before it has it. */
  async token(browser, { admin, token }) {
    const view = await open(browser, { admin });
    await view.page.waitForSelector('#token-form:not([hidden])');
    const before = await view.page.isVisible('#main');
    await view.page.fill('#token', 'not the token');
    await view.page.keyboard.press('Enter');
    await view.page.waitForFunction(() => document.querySelector('#token-wrong').textContent !== '');
    await view.page.fill('#token', token);
    await view.page.keyboard.press('Enter');
    await ready(view.page);
    await view.page.click('a[href="/config"]');
    await view.page.waitForSelector('#viewer[open]');
    const config = await view.page.textContent('#viewer-text');
    await view.page.keyboard.press('Escape');
    await view.page.click('#translate button[type=submit]');
    const cards = await translated(view.page);
    const kept = await view.page.evaluate((secret) => document.cookie.includes(secret) || JSON.stringify(localStorage).includes(secret), token);
    return { before, config, cards, kept, ...(await whatWasSeen(view)) };
  },

  /** What a page of another origin gets, and a page under a name that was pointed at this machine. */
  async strangers(browser, { admin }) {
    const server = http.createServer((request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>stranger</title>');
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const { page } = await open(browser, { admin: `127.0.0.1:${server.address().port}` });
    const asked = await page.evaluate(async (base) => {
      const read = async (path, options) => {
        try {
          const response = await fetch(base + path, options);
          return `${response.type} ${(await response.text()).length}`;
        } catch {
          return 'nothing';
        }
      };
      const body = JSON.stringify({ from: 'canonical', message: 'GET /v1/accounts/me HTTP/1.1' });
      const image = await new Promise((done) => {
        const picture = new Image();
        picture.onload = () => done('a picture');
        picture.onerror = () => done('nothing');
        picture.src = `${base}/icon.svg`;
      });
      const frame = document.createElement('iframe');
      frame.src = base;
      const framed = new Promise((done) => { frame.onload = done; });
      document.body.append(frame);
      await framed;
      return {
        figures: await read('/figures.json'),
        opaque: await read('/figures.json', { mode: 'no-cors' }),
        form: await read('/translate.json', { method: 'POST', mode: 'no-cors', body }),
        json: await read('/translate.json', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }),
        image,
      };
    }, `http://${admin}`);
    asked.frame = await page.frames()[1].evaluate(() => document.body?.innerText.includes('Calls') || false).catch(() => false);
    const rebound = await page.goto(`http://evil.example:${admin.split(':')[1]}/figures.json`);
    server.close();
    return { ...asked, rebound: rebound.status(), reboundText: await rebound.text() };
  },

  /** A picture for the README, once the page has drawn a while. */
  async picture(browser, { admin, picture }) {
    const view = await open(browser, { admin, viewport: { width: 1280, height: 1000 } });
    await ready(view.page);
    console.log('ready');
    // Five minutes are drawn, and what a start takes has left them.
    await view.page.waitForFunction(() => performance.now() > 330_000, undefined, { timeout: 400_000, polling: 1000 });
    await view.page.click('#translate button[type=submit]');
    await translated(view.page);
    await view.page.evaluate(() => window.scrollTo(0, 0));
    const { y, height } = await (await view.page.$('.version:nth-child(2)')).boundingBox();
    await view.page.setViewportSize({ width: 1280, height: Math.ceil(y + height) + 24 });
    await view.page.evaluate(() => document.activeElement.blur());
    await view.page.screenshot({ path: picture });
    return whatWasSeen(view);
  },
};

const executable = (name) =>
  process.env.PATH.split(':').map((folder) => path.join(folder, name)).find((file) => fs.existsSync(file));

async function main() {
  const input = JSON.parse(await new Response(process.stdin).text());
  const browser = await chromium.launch({ executablePath: executable('chromium'), chromiumSandbox: false, args: FLAGS });
  try {
    console.log(JSON.stringify(await scenarios[process.argv[2]](browser, input)));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
