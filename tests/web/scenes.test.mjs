// What the real daemon cannot be made to say at will: an empty box, a crowded one, nonsense. The stand-in only.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assert_no_overflow, later_sample, launch, open, ready, shot } from './browser.mjs';
import { StandIn } from './stand_in.mjs';

let browser;
before(async () => void (browser = await launch()));
after(() => browser?.close());

async function scene(name, options, check) {
  const stand_in = new StandIn(name);
  const url = await stand_in.start();
  const opened = await open(browser, url, options);
  try {
    await ready(opened.page);
    await opened.page.locator('[data-link=live]').waitFor();
    await check(opened.page, stand_in);
    assert.deepEqual(opened.sins, []);
  } finally {
    await opened.close();
    await stand_in.stop();
  }
}

test('an empty box is taught how to fill it, and why there is no GPU', () =>
  scene('empty', {}, async (page) => {
    await page.getByText('headroom run --mem 2G -- python train.py').first().waitFor();
    await page.getByText('No open alerts').waitFor();
    await page.getByText('No GPU: libnvidia-ml.so.1 is not installed').waitFor();
    await shot(page, 'overview-empty');
  }));

test('nonsense is shown as text or as unknown, on a phone too', () =>
  scene('hostile', { viewport: { width: 360, height: 740 } }, async (page) => {
    await page.getByRole('heading', { name: '<img src=x onerror=alert(1)>' }).waitFor();
    await page.getByText('<script>alert(1)</script>').waitFor();
    assert.equal(await page.locator('#app img, #app script, #app b, #app i').count(), 0);
    assert.match(await page.locator('.room-value').first().innerText(), /^–/);
    assert.equal(await page.locator('.room-value [title]').first().getAttribute('title'), 'the <b>reading</b> is missing');
    await assert_no_overflow(page);
    for (const path of ['events', 'system']) {
      await page.evaluate((to) => void (location.hash = `#/${to}`), path);
      await page.locator('main h2').first().waitFor();
      await assert_no_overflow(page);
    }
  }));

test('hundreds of disks, leases and alerts are cut, and the rest is a number', () =>
  scene('crowded', {}, async (page) => {
    assert.equal(await page.locator('.room-row').count(), 50);
    assert.equal(await page.locator('.alert').count(), 50);
    assert.equal(await page.locator('#leases').locator('xpath=../..').locator('tbody tr').count(), 100);
    assert.deepEqual(
      (await page.locator('.more').allInnerTexts()).map((text) => text.replace(/\s+/g, ' ')),
      ['and 156 more', 'and 72 more', 'and 203 more', 'and 202 more'],
    );
  }));

test('while memory runs short the page says what is done about it, and who stands still', () =>
  scene('tight', {}, async (page) => {
    await page.getByText('step 6 of 7, freeze: 94.1 % is in use, the line is 93 %').waitFor();
    assert.equal(await page.locator('.ladder-step').count(), 1);
    await page.locator('.full-in').waitFor();
    assert.deepEqual((await page.locator('.full-in').allInnerTexts()).map((text) => text.replace(/\s+/g, ' ')), [
      'full in about 5h 30m as it goes',
    ]);
    assert.equal(await page.locator('[data-device="/data"] .full-in').count(), 1);
    await page.locator('[data-lease=l-71]').getByText('frozen').waitFor();
    assert.equal(await page.getByText('frozen', { exact: true }).count(), 1);
    await assert_no_overflow(page);
    await shot(page, 'overview-tight');
  }));

test('what the stream says is on the page at once: a lease, an alert and its end, an event', () =>
  scene('empty', {}, async (page, stand_in) => {
    stand_in.send('lease', stand_in.lease('l-9', 'fresh', { booked: { memory_bytes: 2 ** 31 }, granted_at: new Date().toISOString() }));
    await page.locator('[data-lease=l-9]').getByText('fresh').waitFor();
    const alert = { id: 'a1', severity: 'critical', text: 'memory is short', since: new Date().toISOString(), ended: null, recommendations: ['End a lease'] };
    stand_in.send('alert', alert);
    await page.locator('.alert-critical').getByText('End a lease').waitFor();
    await page.locator('[aria-live=polite]', { hasText: 'critical: memory is short' }).waitFor({ state: 'attached' });
    stand_in.send('alert', { ...alert, ended: new Date().toISOString() });
    await page.getByText('No open alerts').waitFor();
    stand_in.send('event', { id: 77, at: new Date().toISOString(), type: 'lease.granted', text: 'fresh holds 2.0 GiB' }, 77);
    await page.getByText('fresh holds 2.0 GiB').waitFor();
    for (const stream of stand_in.streams) stream.write('event: snapshot\ndata: {"half\n\n'); // is skipped
    const sample = stand_in.sample;
    await later_sample(page, sample);
  }));

test('a stream that breaks off comes back by itself', () =>
  scene('full', {}, async (page, stand_in) => {
    const before = stand_in.sample;
    for (const stream of stand_in.streams) stream.end();
    await page.locator('.live:not([data-link=live])').waitFor();
    await page.locator('[data-link=live]').waitFor();
    await later_sample(page, before);
  }));

test('nothing moves by itself, so there is no motion to reduce', () =>
  scene('full', {}, async (page, stand_in) => {
    await later_sample(page, stand_in.sample);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.segment')).transitionDuration), '0s');
  }));

test('a daemon that answers but measures nothing new is marked as stale, in sight after scrolling too', () =>
  scene('full', { viewport: { width: 1200, height: 600 } }, async (page, stand_in) => {
    clearInterval(stand_in.timer);
    await page.locator('.banner', { hasText: 'Stale' }).waitFor();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    const box = await page.locator('.banner').boundingBox();
    assert.ok(box.y >= 0 && box.y < 600, JSON.stringify(box));
    stand_in.timer = setInterval(() => stand_in.tick(), 1000);
    await page.locator('.banner').waitFor({ state: 'detached' });
  }));

test('the events page shows one family when asked', () =>
  scene('full', {}, async (page) => {
    await page.evaluate(() => void (location.hash = '#/events'));
    await page.getByRole('radio', { name: 'alert' }).check({ force: true });
    const types = await page.locator('.event-type').allInnerTexts();
    assert.ok(types.length > 0 && types.every((type) => type.startsWith('alert.')), types.join(' '));
  }));
