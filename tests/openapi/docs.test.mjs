// The reference in Chromium, with nothing to reach but the daemon: it is read, tried and looked at.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assert_no_overflow, launch, open, shot } from '../web/browser.mjs';

const url = process.env.HEADROOM_URL;
let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

const docs = (options = {}) =>
  open(browser, url, {
    path: 'docs',
    // The network is off but for the daemon; a request elsewhere is a sin, too.
    prepare: (page) => page.route('**', (route) => (new URL(route.request().url()).origin === new URL(url).origin ? route.continue() : route.abort())),
    ...options,
  });
const panel = (page, id) => page.locator(`details.operation#${id}`);

test('GET /api/v1/room is tried and answers 200', async () => {
  const { page, sins, answer, close } = await docs();
  assert.equal(answer.status(), 200);
  const room = panel(page, 'read_room');
  await room.locator('summary').first().click();
  await room.locator('.go').click();
  await room.locator('.status.ok').waitFor();
  assert.match(await room.locator('.status').textContent(), /^200 /);
  const got = JSON.parse(await room.locator('pre.answer').textContent());
  assert.ok(got.items.some((item) => item.resource === 'memory'));
  assert.match(await room.locator('pre').first().textContent(), /^curl 'http:.*\/api\/v1\/room'$/);
  await shot(page, 'docs-room', false);
  assert.deepEqual(sins, []);
  await close();
});

test('a parameter goes into the address, and a mistake is shown as a problem', async () => {
  const { page, sins, close } = await docs();
  const history = panel(page, 'read_history');
  await history.locator('summary').first().click();
  await history.locator('#read_history-resource').selectOption('memory');
  await history.locator('#read_history-window').fill('10m');
  assert.match(await history.locator('pre').first().textContent(), /history\?resource=memory&window=10m'$/);
  await history.locator('#read_history-window').press('Enter');
  await history.locator('.status.ok').waitFor();
  assert.equal(JSON.parse(await history.locator('pre.answer').textContent()).window_seconds, 600);
  await history.locator('#read_history-window').fill('soon');
  await history.locator('.go').click();
  await history.locator('.status.bad').waitFor();
  assert.match(await history.locator('pre.answer').textContent(), /invalid-request/);
  assert.deepEqual(
    sins.filter((sin) => !sin.includes('status of 400')),
    [],
  );
  await close();
});

test('a body is sent as it is written', async () => {
  const { page, close } = await docs();
  const fit = panel(page, 'fit');
  await fit.locator('summary').first().click();
  await fit.locator('textarea').fill('{"needs":{"memory_bytes":1048576}}');
  await fit.locator('.go').click();
  await fit.locator('.status.ok').waitFor();
  assert.ok(JSON.parse(await fit.locator('pre.answer').textContent()).verdict);
  await close();
});

test('a stream is watched for a moment', async () => {
  const { page, close } = await docs();
  const watch = panel(page, 'watch');
  await watch.locator('summary').first().click();
  await watch.locator('.go').click();
  await watch.locator('.status.ok').waitFor();
  assert.match(await watch.locator('pre.answer').textContent(), /event: snapshot/);
  await close();
});

test('every operation opens, by the keyboard too, and has its place in the index', async () => {
  const { page, sins, close } = await docs();
  await page.locator('details.operation').first().waitFor();
  const contract = await (await fetch(`${url}/openapi.json`)).json();
  const ids = Object.values(contract.paths).flatMap((item) => Object.values(item).map((one) => one.operationId));
  assert.equal(await page.locator('details.operation').count(), ids.length);
  assert.equal(await page.locator('#index a').count(), ids.length);
  await page.locator('summary').first().focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('details.operation').first().getAttribute('open'), '');
  for (const id of ids) {
    if (!(await panel(page, id).evaluate((one) => one.open))) await panel(page, id).locator('summary').first().click();
  }
  // A panel is filled when its toggle event comes, a moment after the click.
  await page.locator('details.operation[open] .go').nth(ids.length - 1).waitFor();
  assert.equal(await page.locator('details.operation[open] .go').count(), ids.length);
  await assert_no_overflow(page);
  await page.locator('#filter').fill('v1/processes');
  assert.equal(await page.locator('details.operation:visible').count(), 1);
  assert.deepEqual(sins, []);
  await close();
});

test('dark, and on a phone, it is still a page', async () => {
  const dark = await docs({ media: [{ name: 'prefers-color-scheme', value: 'dark' }] });
  await dark.page.locator('details.operation').first().waitFor();
  await dark.page.locator('#list_processes > summary').click();
  await shot(dark.page, 'docs-dark', false);
  await dark.close();
  const phone = await docs({ viewport: { width: 390, height: 800 } });
  await phone.page.locator('#list_processes > summary').click();
  await assert_no_overflow(phone.page);
  await shot(phone.page, 'docs-phone', false);
  await phone.close();
});

test('a problem leads to a page that says what it means', async () => {
  const { page, answer, sins, close } = await open(browser, url, { path: 'problems/insufficient-resources' });
  assert.equal(answer.status(), 200);
  assert.equal(await page.locator('h1').textContent(), 'Not enough room');
  await shot(page, 'problem', false);
  assert.deepEqual(sins, []);
  await close();
});
