// The pages Leases and Models: what they show, what they change, and what they say when it is refused. The stand-in only.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assert_no_overflow, kPatience, launch, open, shot } from './browser.mjs';
import { findings } from './reading.mjs';
import { StandIn } from './stand_in.mjs';

let browser;
before(async () => void (browser = await launch()));
after(() => browser?.close());

/** `expected` is what Chromium itself tells of on its console when a test has the daemon refuse something. */
async function scene(name, { expected, ...options }, check) {
  const stand_in = new StandIn(name);
  const url = await stand_in.start();
  const opened = await open(browser, url, options);
  try {
    await opened.page.locator('[data-link=live]').waitFor();
    await check(opened.page, stand_in, url);
    assert.deepEqual(opened.sins.filter((sin) => !expected?.test(sin)), []);
  } finally {
    await opened.close();
    await stand_in.stop();
  }
}

const plain = (text) => text.replace(/\s+/g, ' ').trim();
const section = (page, id) => page.locator(`section[aria-labelledby=${id}]`);
const focus = (page) => page.evaluate(() => document.activeElement.textContent);

/** Polls from outside: the page's policy forbids the eval that Playwright would wait with in there. */
async function until(what, ask) {
  for (const end = Date.now() + kPatience; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) if (await ask()) return;
  assert.fail(`never: ${what}`);
}

test('leases are shown with what they book, use and leave idle; who waits with place, reason and time; who ended with why', () =>
  scene('full', { path: '#/leases', viewport: { width: 1280, height: 900 } }, async (page) => {
    const row = (id) => page.locator(`[data-lease=${id}]`);
    await row('l-66').waitFor();
    assert.match(plain(await row('l-70').innerText()), /^render l-70 · joe · normal priority idle: 3\.1 of 12\.0 GiB .* active GPU 0 .* 31\.0 GiB .* 30\.2 GiB .* 41 min about \d+ min left/);
    assert.match(plain(await row('l-72').innerText()), /high priority holds the model qwen-serve loading/);
    assert.match(plain(await row('l-71').innerText()), /over .* ends in \d+ min/);
    assert.match(plain(await row('l-73').innerText()), /^train-b .* 1 24\.0 GiB GPU .* waits for 8\.6 GiB of GPU memory: lease render \(l-70\) holds 31\.0 GiB \d\d:\d\d in 1\d min/);
    assert.deepEqual((await section(page, 'ended').locator('.lease-name').allInnerTexts()).map(plain), ['flux', 'nightly', 'sweep-3'], 'the newest end first');
    assert.match(plain(await row('l-65').innerText()), /9 min .* its process has ended; exit status 137; 1 of its processes killed for want of memory/);
    assert.match(plain(await row('l-66').innerText()), /24\.0 GiB .* 22\.9 GiB .* 2h 03m/);
    await shot(page, 'leases');
  }));

test('ending a lease is asked about, says what it does not do, and is done by keyboard alone', () =>
  scene('full', { path: '#/leases', expected: /403 \(Forbidden\)/ }, async (page, stand_in) => {
    const row = page.locator('[data-lease=l-71]');
    await row.getByRole('button', { name: /^End/ }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'End the lease embedder (l-71)?' });
    await dialog.getByText('No process is stopped by this, and no memory is freed.').waitFor();
    await dialog.getByText('Process 4121 runs on').waitFor();
    assert.deepEqual(await findings(page), []);
    assert.equal(await focus(page), 'Cancel', 'what does nothing has the focus');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.match(await focus(page), /^End/, 'the focus is where it was');
    assert.deepEqual(stand_in.patches, [], 'nothing was asked of the daemon');

    await page.keyboard.press('Enter');
    await dialog.waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await focus(page), 'End it');
    await page.keyboard.press('Enter');
    await section(page, 'leases').locator('[data-lease=l-71]').waitFor({ state: 'detached' });
    await section(page, 'ended').locator('[data-lease=l-71]').getByText('ended by its owner').waitFor();
    assert.deepEqual(stand_in.patches, [['leases/l-71', null, 'DELETE']]);

    await page.locator('[data-lease=l-70]').getByRole('button', { name: /^End/ }).click();
    await page.getByRole('button', { name: 'End it' }).click();
    await page.getByText('Refused: l-70 belongs to joe; ask joe, or root').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    assert.equal(await page.locator('[data-lease=l-70]').count(), 1);

    await page.locator('[data-lease=l-73]').getByRole('button', { name: /^Leave/ }).click();
    await page.getByText('It gives up its place.').waitFor();
    await page.getByRole('button', { name: 'Take it out' }).click();
    await section(page, 'queue').locator('[data-lease=l-73]').waitFor({ state: 'detached' });
  }));

test('a lease with a time is renewed; one without is not offered it; nonsense is no time', () =>
  scene('full', { path: '#/leases' }, async (page, stand_in) => {
    const row = page.locator('[data-lease=l-71]');
    assert.equal(await page.locator('[data-lease=l-70]').getByRole('button', { name: /^Renew/ }).count(), 0);
    await row.getByRole('button', { name: /^Renew/ }).click();
    await page.getByRole('textbox', { name: 'ends in min' }).fill('soon');
    await page.keyboard.press('Enter');
    await page.getByText('Refused: "soon" is no number of minutes; give one such as 60').waitFor();
    await page.getByRole('textbox', { name: 'ends in min' }).fill('180');
    await page.keyboard.press('Enter');
    await row.getByText('Renewed: ends in 3h').waitFor();
    await until('the new time', async () => /ends in (3h 00m|2h 59m)/.test(plain(await row.innerText())));
    assert.deepEqual(stand_in.patches, [['leases/l-71', { ttl_seconds: 10800 }, 'PATCH']]);
  }));

test('a lease is booked by the form, which says what is wrong and what the daemon refused', () =>
  scene('full', { path: '#/leases', expected: /409 \(Conflict\)/ }, async (page, stand_in) => {
    const book = section(page, 'book');
    const field = (name) => book.getByRole('textbox', { name });
    await field('name').fill('night');
    await book.getByRole('button', { name: 'Book' }).click();
    await book.getByText('Refused: nothing is asked for: give at least one amount').waitFor();
    await field(/^memory/).fill('much');
    await page.keyboard.press('Enter');
    await book.getByText('Refused: memory: "much" is no number of GiB').waitFor();
    await field(/^memory/).fill('96');
    await page.keyboard.press('Enter');
    await book.getByText('Refused: 64.0 GiB of memory are wanted, room is 40.0 GiB; wait, or ask for less').waitFor();
    await field(/^memory/).fill('6,5');
    await field(/^CPU/).fill('2');
    await book.locator('summary').click();
    assert.equal(await book.locator('.as-links code').first().innerText(), 'headroom lease add night --mem 6.5G --cpu 2 --ttl 3600s');
    await field(/^CPU/).press('Enter');
    await book.getByText('l-90 is booked; it ends in 1h 00m.').waitFor();
    await section(page, 'leases').locator('[data-lease=l-90]').waitFor();
    assert.deepEqual(stand_in.patches.at(-1), ['leases', { name: 'night', needs: { memory_bytes: 6.5 * 2 ** 30, cpu_cores: 2 }, priority: 'normal', ttl_seconds: 3600, wait_seconds: 0, holder: { pid: null } }, 'POST']);
  }));

test('models in memory stand in the order in which they would go, with the reason, by device', () =>
  scene('full', { path: '#/models', viewport: { width: 1280, height: 900 } }, async (page) => {
    const device = page.locator('[data-device="GPU-5d1f7a52"]');
    await device.waitFor();
    assert.deepEqual(await device.locator('[data-model]').evaluateAll((rows) => rows.map((row) => `${row.dataset.order} ${row.dataset.model}`)), ['1 sdxl', '2 facebook/musicgen-medium', '3 llama3.1:8b', ' qwen-serve', ' whisper-large']);
    assert.match(plain(await device.locator('caption').innerText()), /^GPU 0 \d+\.\d GiB room; \d+\.\d GiB if all that may go have gone$/);
    const row = (name) => device.locator(`[data-model="${name}"]`);
    assert.match(plain(await row('sdxl').innerText()), /^1 \. to go sdxl l-60 · low 8\.6 GiB 14 min ago 1h 35m ago it may be asked to go through comfy|^1\. to go sdxl/);
    assert.match(plain(await row('qwen-serve').innerText()), /it stays: pinned/);
    assert.match(plain(await row('whisper-large').innerText()), /in use \(2\) .* it stays: in use/);
    assert.match(plain(await page.locator('[data-device=memory]').innerText()), /bge-m3 .* it stays: nobody can be asked/);
    await page.getByText('flux-dev waits for room').waitFor();
    const known = section(page, 'catalogue').locator('[data-model]');
    assert.equal(await known.count(), 9);
    assert.match(plain(await known.nth(1).innerText()), /musicgen-medium .* resident GPU 0 6\.0 GiB GPU, 2\.0 GiB memory, compute 7\.0 learned 5\.4 GiB 31 s 75 % of 12/);
    await page.getByRole('searchbox', { name: 'filter' }).fill('built audio');
    await until('one is like this', async () => (await known.count()) === 1);
    assert.match(await page.evaluate(() => location.hash), /^#\/models\?filter=built\+audio$/);
    await shot(page, 'models');
  }));

test('a model is pinned, unpinned and unloaded, and what the daemon refuses is said in its place', () =>
  scene('full', { path: '#/models', expected: /409 \(Conflict\)/ }, async (page, stand_in) => {
    const row = (name) => page.locator(`[data-device="GPU-5d1f7a52"] [data-model="${name}"]`);
    const press = (name, word) => row(name).getByRole('button', { name: new RegExp(`^${word}`) }).press('Enter');
    await row('sdxl').waitFor();
    await press('sdxl', 'Pin');
    await row('sdxl').getByText('it stays: pinned').waitFor();
    assert.equal(await row('sdxl').getByRole('button', { name: /^Unload/ }).count(), 0);
    await press('sdxl', 'Unpin');
    await row('sdxl').getByText('it may be asked to go').waitFor();
    await press('facebook/musicgen-medium', 'Unload');
    await row('facebook/musicgen-medium').getByText('Asked; its memory has not come back yet.').waitFor();
    await row('facebook/musicgen-medium').getByText('it stays: asked to go').waitFor();
    await press('whisper-large', 'Unload');
    await row('whisper-large').getByText('Refused: whisper-large is in use by 2; wait until they have ended').waitFor();
    assert.deepEqual(stand_in.patches.map(([path, body]) => [path, body]), [['models/sdxl', { pinned: true }], ['models/sdxl', { pinned: false }], ['models/facebook%2Fmusicgen-medium', { resident: false }], ['models/whisper-large', { resident: false }]]);
  }));

test('a size is held against the room of each device by slider, by number and by model; the daemon gives the exact answer', () =>
  scene('full', { path: '#/models?size=18' }, async (page) => {
    const fits = section(page, 'fits');
    const answer = async (id) => plain(await fits.locator(`[data-fit="${id}"] .fit-answer`).innerText());
    await fits.locator('[data-verdict=after]').waitFor();
    assert.equal(await answer('GPU-5d1f7a52'), 'fits if sdxl goes');
    assert.match(await answer('GPU-91c04be8'), /^\d+\.\d GiB short, whoever goes$/);
    assert.match(plain(await fits.locator('.exact').innerText()), /^It fits once models have gone\. On GPU 0\. .*sdxl: 8\.6 GiB, asked through comfy$/);

    const slider = fits.getByRole('slider', { name: 'size' });
    await slider.focus();
    for (let n = 0; n < 12; ++n) await page.keyboard.press('ArrowLeft');
    await fits.locator('[data-verdict=now]').waitFor();
    assert.equal(await answer('GPU-5d1f7a52'), 'fits now');
    assert.equal(await fits.getByRole('textbox', { name: 'size in GiB' }).inputValue(), '12');
    assert.equal(await page.evaluate(() => location.hash), '#/models?size=12');

    await fits.getByRole('textbox', { name: 'size in GiB' }).fill('90.5');
    assert.equal(await answer('GPU-5d1f7a52'), 'never: it is larger than the device');
    await fits.locator('[data-verdict=never]').getByText('ask for at most 40 GiB').waitFor();
    await fits.getByRole('textbox', { name: 'size in GiB' }).fill('lots');
    await fits.getByText('"lots" is no size: a number of GiB such as 9.5 is wanted.').waitFor();
    await fits.getByRole('textbox', { name: 'size in GiB' }).fill('29');
    await fits.locator('[data-fit="GPU-5d1f7a52"]', { hasText: 'fits if sdxl, facebook/musicgen-medium go' }).or(fits.locator('[data-fit="GPU-5d1f7a52"]', { hasText: 'llama3.1:8b' })).first().waitFor();
    await fits.getByRole('combobox', { name: 'priority' }).selectOption('low'); // may send away only what is low
    await until('others of higher priority stay', async () => /GiB short, whoever goes$/.test(await answer('GPU-5d1f7a52')));

    await fits.getByRole('combobox', { name: 'as' }).selectOption('flux-dev');
    await fits.locator('[data-verdict=after]').waitFor();
    await fits.locator('summary').click();
    assert.equal(await fits.locator('.as-links code').first().innerText(), 'headroom fit --model flux-dev --priority low');
  }));

test('where no model is, the page shows what fills it', () =>
  scene('empty', { path: '#/models' }, async (page, _, url) => {
    const teach = page.locator('.teach');
    await teach.waitFor();
    const codes = await teach.locator('code').allInnerTexts();
    assert.equal(codes[0], 'headroom model set sdxl --gpu-mem 9G --hook comfy --priority low');
    assert.equal(codes[1], 'headroom run --model sdxl -- python serve.py');
    assert.equal(codes[2].trim().split('\n').length, 3);
    assert.ok(codes[2].includes(`${url}/api/v1/models/sdxl`));
    await section(page, 'fits').locator('[data-fit=memory][data-answer=now]').waitFor();
    await assert_no_overflow(page);
  }));

test('without the list of models the page says why, and the rest stays', () =>
  scene('full', { expected: /404 \(Not Found\)/, path: '#/models', prepare: (page) => page.route('**/api/v1/models', (route) => route.fulfill({ status: 404, contentType: 'application/problem+json', body: '{"detail":"no such path"}' })) }, async (page) => {
    await page.getByText('The models cannot be read: no such path.').waitFor();
    await section(page, 'fits').locator('[data-fit="GPU-5d1f7a52"]').waitFor();
  }));

test('nonsense among leases and models is text or unknown, and hundreds are cut', async () => {
  await scene('hostile', { path: '#/models', viewport: { width: 360, height: 740 } }, async (page) => {
    await page.locator('[data-device="GPU-gone"]').waitFor();
    await assert_no_overflow(page);
    await page.evaluate(() => void (location.hash = '#/leases'));
    await page.locator('[data-lease=l-2]').waitFor();
    await assert_no_overflow(page);
    assert.equal(await page.locator('main b, main i, main u').count(), 0);
  });
  await scene('crowded', { path: '#/models' }, async (page) => {
    await page.locator('[data-device="GPU-91c04be8"] [data-model]').first().waitFor();
    assert.equal(await page.locator('[data-device="GPU-91c04be8"] [data-model]').count(), 200);
    assert.deepEqual((await page.locator('.more').allInnerTexts()).map(plain).filter((text) => text.startsWith('and')), ['and 150 more', 'and 509 more']);
  });
});
