// The dashboard in Chromium against a daemon at HEADROOM_URL; without it, against the stand-in.
// HEADROOM_SHOTS says where the screenshots go.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assert_no_overflow, kShots, later_sample, launch, open, ready, shot } from './browser.mjs';
import { StandIn } from './stand_in.mjs';

let browser;
let stand_in;
let url = process.env.HEADROOM_URL?.replace(/\/$/, '');

before(async () => {
  if (!url) {
    stand_in = new StandIn('full');
    url = await stand_in.start();
  }
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stand_in?.stop();
  console.log(`screenshots: ${kShots}`);
});

test('the page forbids itself inline code and other origins', async () => {
  const { answer, close } = await open(browser, url);
  const policy = answer.headers()['content-security-policy'] ?? '';
  assert.match(policy, /default-src '(none|self)'/);
  assert.doesNotMatch(policy, /unsafe-(inline|eval)|\*|https?:/);
  await close();
});

test('numbers move, and nothing is broken, blocked or asked of anybody else', async () => {
  const { page, sins, close } = await open(browser, url);
  await ready(page);
  await page.locator('[data-link=live]').waitFor();
  const age = page.locator('.live-age[data-sample]');
  const first = await age.getAttribute('data-sample');
  await later_sample(page, Number(first) + 1);
  const now = await page.locator('.chart-box').first().getAttribute('aria-label');
  assert.match(now, /^memory, last 15 minutes: now \d+\s%, min \d/);
  for (const path of ['leases', 'models', 'events', 'system', 'no-such-page', '']) {
    await page.goto(`${url}/#/${path}`);
    await page.locator('main h2').first().waitFor();
  }
  assert.deepEqual(sins, []);
  await close();
});

test('every row of room is shown with its number, its level in a word, and its sum', async () => {
  const { page, close } = await open(browser, url);
  await ready(page);
  const { items } = await (await fetch(`${url}/api/v1/room`)).json();
  assert.equal(await page.locator('.room-row').count(), Math.min(50, items.length));
  for (const item of items.slice(0, 50)) {
    const row = page.locator('.room-row').nth(items.indexOf(item));
    assert.equal((await row.locator('h3').getAttribute('title')) ?? '', item.name);
    const known = item.room_bytes ?? item.room_cores;
    assert.match(await row.locator('.room-value').innerText(), known == null ? /^–/ : /^\d+(\.\d+)?\s(B|[KMGT]iB|cores?)$/);
    // The level may change between the two readings: then it is read again.
    let shown = '';
    let told = item.pressure;
    for (let i = 0; i < 50; ++i) {
      shown = (await row.locator('.room-name .level').innerText()).trim();
      if (shown === told) break;
      await page.waitForTimeout(100);
      told = (await (await fetch(`${url}/api/v1/room`)).json()).items[items.indexOf(item)].pressure;
    }
    assert.equal(shown, told);
    await row.locator('.sum summary').click();
    assert.match(await row.locator('.sum-line').innerText(), /^room .* = .*reserve.*booked.*margin/);
  }
  await close();
});

test('light and dark follow the system, high contrast too', async () => {
  const grounds = new Set();
  for (const [name, options] of [
    ['overview-light', { colorScheme: 'light' }],
    ['overview-dark', { colorScheme: 'dark' }],
    ['overview-contrast', { media: [{ name: 'prefers-contrast', value: 'more' }, { name: 'prefers-color-scheme', value: 'light' }] }],
  ]) {
    const { page, sins, close } = await open(browser, url, { viewport: { width: 1200, height: 1270 }, ...options });
    await ready(page);
    await page.locator('.chart-box[aria-label*="max"]').first().waitFor();
    grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await shot(page, name, false);
    assert.deepEqual(sins, []);
    await close();
  }
  assert.equal(grounds.size, 3, [...grounds].join(' '));
});

test('a phone needs no horizontal scrolling on any page', async () => {
  const { page, sins, close } = await open(browser, url, { viewport: { width: 360, height: 740 } });
  await ready(page);
  await assert_no_overflow(page);
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
  await assert_no_overflow(page);
  await shot(page, 'overview-phone');
  for (const path of ['leases', 'models', 'events', 'system']) {
    await page.goto(`${url}/#/${path}`);
    await page.locator('main h2').first().waitFor();
    await assert_no_overflow(page);
  }
  assert.deepEqual(sins, []);
  await close();
});

test('everything is reached and read without a mouse', async () => {
  const { page, close } = await open(browser, url);
  await ready(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#room ~ details[open]').count(), 1);

  const outlines = new Set();
  for (let n = 0; n < 12; ++n) {
    await page.keyboard.press('Tab');
    outlines.add(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle));
  }
  assert.ok(!outlines.has('none'), 'an element has the focus and does not show it');

  const chart = page.locator('.chart').first();
  await chart.locator('.chart-box').focus();
  await page.keyboard.press('ArrowLeft');
  await chart.locator('.chart-now small', { hasText: /\d\d:\d\d:\d\d/ }).waitFor();
  await page.keyboard.press('Escape');
  await chart.locator('.chart-now small', { hasText: 'now' }).waitFor();
  for (const table of await page.locator('table').all()) assert.equal(await table.locator('caption').count(), 1);
  await close();
});

test('without the stream the page polls and says so; without the daemon it reconnects and marks what is stale', async () => {
  let stream = false;
  let reads = true;
  const { page, close } = await open(browser, url, {
    prepare: (page) =>
      page.route('**/api/v1/**', (route) => {
        const open_ = new URL(route.request().url()).pathname.endsWith('/stream') ? stream : reads;
        return open_ ? route.continue() : route.abort();
      }),
  });
  await page.locator('[data-link=polling]').waitFor();
  const first = await page.locator('.live-age').getAttribute('data-sample');
  await later_sample(page, first);

  reads = false;
  await page.locator('[data-link=reconnecting]').waitFor();
  await page.locator('.live-age[data-stale=true]').waitFor();
  assert.match(await page.locator('.live').innerText(), /stale: last sample \d+\ss ago/);
  assert.match(await page.locator('.banner').innerText(), /^Reconnecting/);
  assert.ok((await page.locator('.room-row').count()) > 0, 'the last numbers stay');

  reads = true;
  stream = true;
  await page.locator('[data-link=live]').waitFor();
  await page.locator('.live-age[data-stale=false]').waitFor();
  assert.equal(await page.locator('.banner').count(), 0);
  await close();
});
