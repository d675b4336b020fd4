// What the browser tests share: Chromium, a page that records everything it should not do, and screenshots.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');
const kArguments = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Milliseconds after which a test gives up on what it waits for; only what is broken takes so long. */
export const kPatience = 90000;
export const kShots = process.env.HEADROOM_SHOTS ?? mkdtempSync(join(tmpdir(), 'headroom-web-shots-'));
mkdirSync(kShots, { recursive: true });

export function launch() {
  return chromium.launch({ executablePath: process.env.HEADROOM_CHROMIUM ?? '/usr/bin/chromium', args: kArguments });
}

/**
 * Opens the dashboard. `sins` collects console errors, exceptions, policy violations and requests to
 * other origins; `expected` filters out what a test provokes on purpose.
 */
export async function open(browser, url, { path = '#/', prepare, media, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(kPatience);
  page.setDefaultNavigationTimeout(kPatience);
  const sins = [];
  page.on('console', (message) => message.type() === 'error' && sins.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => sins.push(`exception: ${error.message}`));
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.origin !== new URL(url).origin) sins.push(`request to ${to.origin}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  if (media) {
    const session = await context.newCDPSession(page);
    await session.send('Emulation.setEmulatedMedia', { features: media });
  }
  if (prepare) await prepare(page);
  const answer = await page.goto(`${url}/${path}`);
  return { page, sins, answer, close: () => context.close() };
}

/** Waits until the numbers are there. */
export function ready(page) {
  return page.locator('.room-row').first().waitFor();
}

/** Waits until the page shows a sample with another number than `sample`, which is a later one. */
export async function later_sample(page, sample) {
  const shown = () => page.locator('.live-age').getAttribute('data-sample');
  // Asked from here: the page's policy forbids the eval that Playwright would wait with in there.
  for (const end = Date.now() + kPatience; Date.now() < end; await page.waitForTimeout(100))
    if (Number(await shown()) > Number(sample)) return;
  assert.fail(`no sample after ${sample}, the page shows ${await shown()}`);
}

export async function assert_no_overflow(page) {
  const [content, screen, wide] = await page.evaluate(() => {
    const screen = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > screen + 1)
      .map((element) => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 120)}`);
    return [document.documentElement.scrollWidth, screen, wide.slice(-3).join(' | ')];
  });
  assert.ok(content <= screen, `${page.url()} is ${content} px wide on a screen of ${screen}: ${wide}`);
}

export function shot(page, name, full = true) {
  return page.screenshot({ path: join(kShots, `${name}.png`), fullPage: full });
}
