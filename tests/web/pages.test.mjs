// The pages GPUs, Processes and System in scenes that no test machine has. The stand-in only.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assert_no_overflow, kPatience, later_sample, launch, open, shot } from './browser.mjs';
import { contrasts, findings } from './reading.mjs';
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

const kPaths = ['', 'gpus', 'leases', 'models', 'components', 'components/indexer', 'processes', 'events', 'system'];
const go = (page, path) => page.evaluate((to) => void (location.hash = `#/${to}`), path);
const plain = (text) => text.replace(/\s+/g, ' ').trim();

/** Polls from outside: the page's policy forbids the eval that Playwright would wait with in there. */
async function until(what, ask) {
  let last;
  for (const end = Date.now() + kPatience; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) {
    last = await ask();
    if (last) return last;
  }
  assert.fail(`never: ${what}`);
}

test('a machine without GPUs is told why, and what would help', () =>
  scene('empty', { path: '#/gpus' }, async (page) => {
    await page.getByText('No GPU can be read here').waitFor();
    await page.getByText('libnvidia-ml.so.1 is not installed').waitFor();
    await page.locator('code', { hasText: 'headroom doctor' }).first().waitFor();
    assert.equal(await page.locator('.gpu-card, table').count(), 0);
    await shot(page, 'gpus-empty');
  }));

test('every device has a card: its layers, its slices, and what keeps it from answering', () =>
  scene('gpus', { path: '#/gpus', viewport: { width: 1440, height: 900 } }, async (page) => {
    const card = (id) => page.locator(`[data-gpu="${id}"]`);
    await card('GPU-5d1f7a52').getByText('vllm 4121').waitFor();
    assert.equal(await page.locator('.gpu-card').count(), 5, 'slices have no card of their own');

    const names = (await card('GPU-5d1f7a52').locator('.stack-legend .stack-name').allInnerTexts()).map(plain);
    assert.deepEqual(names, ['room', 'reserve and margin', 'booked, not used yet', 'unattributed', 'jupyter-lab 4200 no lease', 'vllm 4121 no lease', 'qwen-serve lease', 'render lease']);
    const label = await card('GPU-5d1f7a52').locator('.stack .chart-box').getAttribute('aria-label');
    assert.match(plain(label), /render \d+\.\d GiB, room \d+\.\d GiB$/);
    assert.match(await card('GPU-5d1f7a52').locator('.gpu-facts').innerText(), /busy time/);
    assert.equal(await card('GPU-5d1f7a52').locator('tbody tr').count(), 3, 'the processes on it');

    const second = card('GPU-91c04be8');
    assert.match(plain(await second.locator('.gpu-facts').innerText()), /slowed by power, heat .*1 uncorrected, 7 corrected, XID 63 \(2 in all\)/);
    assert.deepEqual((await second.locator('table.inner tbody th').allInnerTexts()).map(plain), ['GPU 2 NVIDIA H100 MIG 3g.40gb', 'GPU 3 NVIDIA H100 MIG 3g.40gb']);

    assert.match(await card('GPU-a51ee900').locator('.gpu-told').innerText(), /^Asleep\. .*nothing was asked of it/);
    assert.match(plain(await card('GPU-57a1e000').locator('.gpu-told').innerText()), /^Stale\. .*nvmlDeviceGetMemoryInfo.* The numbers below are 12 s old/);
    assert.match(plain(await card('GPU-10570000').locator('.gpu-told').innerText()), /^Lost\. .*XID 79.*1h 04m old/);
    assert.equal(await card('GPU-10570000').locator('.gpu-facts').count(), 0, 'a lost device has no readings');
    await shot(page, 'gpus');
  }));

test('one device is shown alone by its address, and the window is part of it', () =>
  scene('gpus', { path: '#/gpus?gpu=1&window=24h' }, async (page) => {
    await page.locator('[data-gpu="GPU-91c04be8"]').waitFor();
    assert.equal(await page.locator('.gpu-card').count(), 1);
    assert.ok(await page.getByRole('radio', { name: '24 h' }).isChecked());
    await page.locator('.chart-box[aria-label*="last 24 h"]').first().waitFor();
    await page.getByRole('radio', { name: '1 h', exact: true }).check({ force: true });
    assert.equal(await page.evaluate(() => location.hash), '#/gpus?gpu=1&window=1h');
    await page.getByRole('button', { name: 'Show all' }).click();
    await until('all cards', async () => (await page.locator('.gpu-card').count()) === 5);
    await page.reload();
    await page.locator('.gpu-card').first().waitFor();
    assert.ok(await page.getByRole('radio', { name: '1 h', exact: true }).isChecked(), 'a view is found again by its address');
  }));

test('a past that cannot be had is said in its chart, and the rest stays', () =>
  scene('full', { expected: /400 \(Bad Request\)/, path: '#/?window=30d', prepare: (page) => page.route('**/history?*', (route) => route.fulfill({ status: 400, contentType: 'application/problem+json', body: '{"detail":"window: at most 24h"}' })) }, async (page) => {
    await page.getByText('No past: window: at most 24h.').first().waitFor();
    await page.locator('.room-row').first().waitFor();
  }));

test('processes are sorted, filtered, and those without a lease come into sight', () =>
  scene('gpus', { path: '#/processes' }, async (page) => {
    const names = async () => (await page.locator('.process-name').allInnerTexts()).slice(0, 3);
    await page.locator('.process-name').first().waitFor();
    assert.deepEqual(await names(), ['python3', 'vllm', 'jupyter-lab']);
    await page.getByRole('button', { name: 'memory', exact: true }).click();
    assert.deepEqual(await names(), ['train', 'vllm', 'python3']);
    assert.equal(await page.locator('th[aria-sort=descending]').innerText().then(plain), 'memory ↓');
    await page.getByRole('searchbox', { name: 'filter' }).fill('docker 3f2a');
    await until('nothing is like this', async () => (await page.getByText('No process is like this').count()) === 1);
    await page.getByRole('searchbox', { name: 'filter' }).fill('3f2a qwen');
    await until('one process', async () => (await page.locator('.process-name').count()) === 1);
    await page.getByRole('searchbox', { name: 'filter' }).fill('');
    await page.getByRole('checkbox', { name: 'only without a lease' }).check();
    assert.equal(await page.locator('.processes tbody td[data-label=lease]', { hasNotText: 'no lease' }).count(), 0);
    assert.match(await page.evaluate(() => location.hash), /^#\/processes\?sort=mem&unbooked=1$/);
    await page.locator('.as-links summary').click();
    assert.equal(await page.locator('.as-links a').getAttribute('href'), 'api/v1/processes?unbooked=1&sort=mem');
    assert.equal(await page.locator('.as-links code').first().innerText(), 'headroom ps --unbooked --sort mem');
    assert.match(plain(await page.locator('.share-unbooked').innerText()), /^outside of leases booked by nobody/);
    assert.equal(await page.locator('td.command b').count(), 0, 'a command is text');
    await shot(page, 'processes');
  }));

test('1 400 processes are cut, and the rest is a number', () =>
  scene('crowded', { path: '#/processes' }, async (page) => {
    await page.locator('.process-name').first().waitFor();
    assert.equal(await page.locator('.process-name').count(), 200);
    await page.getByText('and 800 more').waitFor();
    await page.getByText('The daemon sent the first 1000 of 1400').waitFor();
  }));

test('256 processors fit on every screen, and each says what it does', () =>
  scene('cores', { path: '#/system/cpu', viewport: { width: 360, height: 740 } }, async (page) => {
    await page.locator('.core').first().waitFor();
    assert.equal(await page.locator('.core').count(), 256);
    assert.match(plain(await page.locator('.core').nth(3).innerText()), /^3 100 %$/);
    await page.getByText('The busiest is CPU 3 with 100').waitFor();
    await assert_no_overflow(page);
    await until('the address leads to the section', async () => (await page.evaluate(() => document.activeElement.id)) === 'cpu');
    await page.setViewportSize({ width: 1440, height: 900 });
    await assert_no_overflow(page);
    await shot(page, 'system-cores');
  }));

test('the system page tells what memory is in, what is stale, what is too hot, and what the daemon costs', () =>
  scene('gpus', { path: '#/system' }, async (page) => {
    const section = (id) => page.locator(`section[aria-labelledby=${id}]`);
    await section('memory').getByText('ZFS cache').waitFor();
    await section('disks').getByText('stale: does not answer').waitFor();
    assert.match(plain(await section('network').innerText()), /enp1s0 up 25 Gbit\/s .* 35 %/);
    assert.equal(await section('heat').locator('.meter-critical').count(), 1);
    await section('own').getByText('4 121', { exact: false }).waitFor();
    assert.match(plain(await section('own').innerText()), /history on disk 4 MiB/);
    assert.match(plain(await section('cost').innerText()), /4\.80 EUR 3\.60 booked, 1\.20 idle .* 900\.00 EUR 90 % of it, spent in 1d 0h/);
    assert.equal(await section('cost').locator('.meter-warning').count(), 1);
    assert.match(plain(await section('sensors').innerText()), /cpu_power RAPL is readable by root only sudo udevadm/);
    for (const [name, href] of [['API reference', 'docs'], ['Metrics', 'metrics'], ['Export for a bug report', 'api/v1/export']])
      assert.equal(await page.getByRole('link', { name }).getAttribute('href'), href);
    await shot(page, 'system');
  }));

test('a setting is found, changed, refused in its place, and taken back', () =>
  scene('full', { expected: /400 \(Bad Request\)/, path: '#/system/config' }, async (page, stand_in) => {
    await page.getByRole('searchbox', { name: 'search' }).fill('gpu_memory.warning');
    const row = page.locator('[data-key="pressure.gpu_memory.warning"]');
    await row.waitFor();
    await until('only one', async () => (await page.locator('[data-key]').count()) === 1);
    await row.getByRole('button', { name: 'change' }).click();
    await until('the field has the focus', async () => (await page.evaluate(() => document.activeElement.tagName)) === 'INPUT');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('700');
    await page.keyboard.press('Enter');
    await row.getByText('Refused: pressure.gpu_memory.warning: "700" is no percentage from 1 to 100; give a number such as 85').waitFor();
    await row.getByRole('textbox').fill('75');
    await row.getByRole('button', { name: 'Set' }).click();
    await row.getByText('In force.').waitFor();
    assert.match(plain(await row.innerText()), /75 change/);
    assert.deepEqual(stand_in.patches.map(([path, body]) => [path, body.changes['pressure.gpu_memory.warning']]), [['config', '700'], ['config', '75']]);
    await row.getByRole('button', { name: 'change' }).click();
    await row.getByRole('button', { name: 'Take back' }).click();
    await until('the old value', async () => /80 change/.test(plain(await row.innerText())));
    assert.equal(stand_in.patches[2][1].changes['pressure.gpu_memory.warning'], null);
  }));

test('an alert is acknowledged and muted, the answer is shown, and the mute is taken back', () =>
  scene('full', {}, async (page, stand_in) => {
    const alert = page.locator('.alert').first();
    await alert.getByRole('button', { name: /^Acknowledge/ }).click();
    await alert.getByText('Acknowledged.').waitFor();
    assert.match(await alert.locator('.alert-since').innerText(), /acknowledged/);
    assert.equal(await alert.getByRole('button', { name: /^Acknowledge/ }).count(), 0);
    await alert.getByRole('button', { name: /^Mute for 1 h/ }).click();
    await until('muted', async () => /muted until \d\d:\d\d/.test(await alert.locator('.alert-since').innerText()));
    await alert.getByRole('button', { name: /^Unmute/ }).click();
    await until('no longer muted', async () => !/muted/.test(await alert.locator('.alert-since').innerText()));
    assert.deepEqual(stand_in.patches, [['alerts/a12', { acknowledged: true }], ['alerts/a12', { mute_seconds: 3600 }], ['alerts/a12', { mute_seconds: 0 }]]);
  }));

test('a daemon that takes no changes is offered none', () =>
  scene('readonly', {}, async (page) => {
    await page.locator('.alert').first().waitFor();
    await until('no buttons', async () => (await page.locator('button').count()) === 0);
    for (const [path, row] of [['leases', '[data-lease]'], ['models', '[data-order]'], ['components', '[data-component]'], ['components/indexer', '[data-resource]']]) {
      await go(page, path);
      await page.locator(row).first().waitFor();
      assert.equal(await page.locator('main button').count(), 0, path);
    }
    await go(page, 'system');
    await page.getByText('this daemon takes no changes').waitFor();
    assert.equal(await page.locator('main button').count(), 0);
  }));

test('a daemon that goes away is said to be away, and comes back by itself with what it missed', async () => {
  const stand_in = new StandIn('gpus');
  const url = await stand_in.start();
  const { page, close } = await open(browser, url, { path: '#/gpus' });
  await page.locator('[data-link=live]').waitFor();
  const before = stand_in.sample;
  await stand_in.stop();
  await page.locator('[data-link=reconnecting]').waitFor();
  assert.match(await page.locator('.banner').innerText(), /^Reconnecting/);
  assert.equal(await page.locator('.gpu-card').count(), 5, 'the last numbers stay');
  await stand_in.start(Number(new URL(url).port));
  await page.locator('[data-link=live]').waitFor();
  await later_sample(page, before);
  assert.equal(await page.locator('.banner').count(), 0);
  await close();
  await stand_in.stop();
});

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['light with more contrast', { media: [{ name: 'prefers-contrast', value: 'more' }, { name: 'prefers-color-scheme', value: 'light' }] }],
  ['dark with more contrast', { media: [{ name: 'prefers-contrast', value: 'more' }, { name: 'prefers-color-scheme', value: 'dark' }] }],
  ['on a phone', { viewport: { width: 360, height: 740 } }],
  ['with forced colours', { forcedColors: 'active' }],
])
  test(`every page can be read by all, ${name}`, () =>
    scene('gpus', options, async (page) => {
      for (const path of kPaths) {
        await go(page, path);
        await page.locator('main h2').first().waitFor();
        if (path === 'models') await page.locator('[data-verdict]').waitFor();
        if (path === 'components') await page.locator('[data-component], .strategy-words').first().waitFor();
        if (path === 'components/indexer') await page.locator('[data-resource=cpu]').waitFor();
        if (path === 'processes') await page.locator('.process-name').first().waitFor();
        await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
        if (!options.forcedColors) assert.deepEqual(await findings(page), [], `page "${path}"`); // forced colours are the system's own
        await assert_no_overflow(page);
      }
      if (options.forcedColors) return;
      const levels = await contrasts(page, ['--ok', '--warning', '--critical', '--emergency', '--muted', '--accent', '--threshold']);
      for (const [colour, ratio] of Object.entries(levels)) assert.ok(ratio >= 4.5, `${colour} ${ratio}`);
      const layers = await contrasts(page, [1, 2, 3, 4, 5, 6].map((n) => `--lease-${n}`).concat([1, 2, 3, 4].map((n) => `--process-${n}`)));
      for (const [colour, ratio] of Object.entries(layers)) assert.ok(ratio >= 2.8, `${colour} ${ratio}`);
    }));

test('each level has a shape of its own', () =>
  scene('full', {}, async (page) => {
    const shapes = new Map();
    for (const mark of await page.locator('.level').all()) shapes.set(plain(await mark.innerText()), await mark.locator('path').getAttribute('d'));
    assert.ok(shapes.size >= 4, [...shapes.keys()].join(' '));
    const distinct = new Set([...shapes].filter(([word]) => word !== 'moderate' && word !== 'healthy').map(([, shape]) => shape));
    assert.equal(distinct.size, [...shapes.keys()].filter((word) => word !== 'moderate' && word !== 'healthy').length);
  }));

test('the checks of reading find what they are for', () =>
  scene('empty', {}, async (page) => {
    await page.locator('main h2').first().waitFor();
    await page.evaluate(() => {
      const bad = document.createElement('div');
      bad.innerHTML = '<button></button><h5>deep</h5><p class="faint">faint</p><span class="state"></span><ul><p>no item</p></ul><input id="app"><table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>';
      document.querySelector('main').append(bad);
      bad.querySelector('.faint').style.color = getComputedStyle(document.body).backgroundColor;
    });
    const found = (await findings(page)).join('\n');
    for (const what of ['<button class="">', 'skips from h2', 'contrast 1.00', 'a colour without a word', 'in a list and no item', 'id app is there twice', 'has no caption', 'has no scope', '2 cells for 1 columns', '<input class="">'])
      assert.ok(found.includes(what), `${what} is not in:\n${found}`);
  }));
