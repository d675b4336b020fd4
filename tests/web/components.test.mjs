// The page Components: what it shows of all and of one, what it changes, and what it says when it is refused. The stand-in only.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assert_no_overflow, kPatience, launch, open, shot } from './browser.mjs';
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
const text_of = async (locator) => plain(await locator.innerText());

/** Polls from outside: the page's policy forbids the eval that Playwright would wait with in there. */
async function until(what, ask) {
  for (const end = Date.now() + kPatience; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) if (await ask()) return;
  assert.fail(`never: ${what}`);
}

test('each component has its state, its allocations inside their bounds, and what is wrong with it', () =>
  scene('full', { path: '#/components', viewport: { width: 1280, height: 900 } }, async (page) => {
    const row = (name) => page.locator(`[data-component="${name}"]`);
    await row('indexer').waitFor();
    assert.match(await text_of(row('indexer')), /^indexer pid 4121 · l-71 connected high Mon-Sun 00:00-24:00 31 % uses \d+(\.\d)? %, wants \d+(\.\d)? % 5 to 50 % 700 MB asked for 760 MB uses \d+ MB, wants \d+ MB 100 to 2048 MB 11 of 12 applied, 1 failed answers in 3 ms$/);
    assert.match(await text_of(row('prediction_service')), /it did not answer in 5 s, 3 times in a row unresponsive critical .* lends 410 MB 31 of 40 applied, 2 failed, 7 too late answers in 1\.2 s$/);
    assert.match(await text_of(row('later')), /^later known normal – \(nothing was given yet\) uses – \(not measured\) ?, wants/);
    const shapes = await page.locator('.components .level path').evaluateAll((paths) => paths.map((path) => path.getAttribute('d')));
    assert.equal(new Set(shapes).size, 4, 'each state has a shape of its own');
    const bar = row('indexer').locator('.allotment-bar').first();
    const left = async (what) => parseFloat(await bar.locator(what).evaluate((mark) => mark.style.left));
    assert.ok((await left('.tick-floor')) === 10 && (await left('.tick-amount')) === 60 && (await left('.tick-ceiling')) === 100);
    assert.equal(await section(page, 'decisions').locator('tbody tr').count(), 8);
    assert.match(await text_of(section(page, 'decisions').locator('tbody tr').nth(2)), /^indexer memory .* 620 → 760 MB it took 700 MB applied in 3 ms its demand has risen: it uses 512 MB/);

    await page.getByRole('searchbox', { name: 'filter' }).fill('high batch');
    await until('one is like this', async () => (await page.locator('[data-component]').count()) === 1);
    assert.match(await page.evaluate(() => location.hash), /^#\/components\?filter=high\+batch$/);
    await page.getByRole('searchbox', { name: 'filter' }).fill('nothing like it');
    await page.getByText('No component is like this.').waitFor();
  }));

test('one component has an address of its own: allocations with their course, decisions, quota and setters', () =>
  scene('full', { path: '#/components', viewport: { width: 1280, height: 900 } }, async (page) => {
    await page.locator('[data-component=indexer] a').focus();
    await page.keyboard.press('Enter');
    const cpu = page.locator('[data-resource=cpu]');
    await cpu.waitFor();
    assert.equal(await page.evaluate(() => location.hash), '#/components/indexer');
    await until('who comes from the list goes on at its heading', async () => (await page.evaluate(() => document.activeElement.id)) === 'component');
    assert.match(await text_of(cpu.locator('.gpu-facts')), /^used \d+.* forecast quantile foreseen 24 % 20\.5 to 38 % within 15 min past accuracy 93 % 82 % sure bounds 5 to 50 % meant to have 30 % lends nothing$/);
    assert.match(await text_of(page.locator('[data-resource=memory] .gpu-head')), /700 MB given, 760 MB asked/);
    assert.match(await text_of(page.locator('[data-resource=memory] .gpu-facts')), /past accuracy – \(no forecast was held against what came yet\) 60 % sure/);
    assert.equal(await cpu.locator('.forecast-band').count(), 1);
    await cpu.locator('.chart-box[aria-label$="allocation 31 % now, 3 changes known of"], .chart-box[aria-label*="3 changes known of"]').waitFor();
    await cpu.locator('.chart-box').focus();
    await page.keyboard.press('Home'); // the cursor is at the first point: that of the left edge
    await until('the value at the left edge', async () => /^\d\d:\d\d:\d\d allocation 20 %/.test(await text_of(cpu.locator('.course-legend'))));
    await page.keyboard.press('Escape');
    await until('the value of now', async () => /^now allocation 31 %/.test(await text_of(cpu.locator('.course-legend'))));
    await page.getByRole('radio', { name: '24 h' }).check({ force: true });
    assert.equal(await page.evaluate(() => location.hash), '#/components/indexer?window=24h');

    const decisions = section(page, 'decisions').locator('tbody tr');
    assert.equal(await decisions.count(), 7);
    assert.match(await text_of(decisions.nth(5)), /^CPU \d\d:\d\d:\d\d 20 → 35 % it said no in 400 ms .* it uses 28\.8 % 80 %$/);
    assert.match(await text_of(section(page, 'setters').locator('[data-setter=batch_size]')), /^batch_size 12 1 to 64 follows memory, whole numbers$/);
    assert.match(await text_of(section(page, 'setters').locator('[data-setter=cache_ratio]')), /^cache_ratio – \(not set yet\) 0\.1 to 0\.9/);
    assert.match(await text_of(section(page, 'quota')), /^Quota high priority · 40 % buffer · not enforced .* CPU 30 % 5 % 50 % .* Mon-Sun 00:00-24:00 in force now CPU 30 %, at most 50 %/);
    await shot(page, 'component');

    await page.goBack();
    await page.locator('[data-component=indexer]').waitFor();
  }));

test('a quota is changed by the form: only what was touched is sent, and a refusal is said in its place', () =>
  scene('full', { expected: /400 \(Bad Request\)/, path: '#/components/indexer' }, async (page, stand_in) => {
    const quota = section(page, 'quota');
    const field = (name) => quota.getByRole('textbox', { name });
    await field('CPU, meant to have').waitFor();
    await quota.getByRole('button', { name: 'Change quota' }).click();
    await quota.getByText('Refused: nothing was changed').waitFor();
    await field('CPU, meant to have').fill('95');
    await page.keyboard.press('Enter');
    await quota.getByText('Refused: cpu 95 % is outside 5-80 %; the range is control.cpu_range').waitFor();
    await field('CPU, meant to have').fill('lots');
    await page.keyboard.press('Enter');
    await quota.getByText('Refused: cpu percent: "lots" is no amount; give a number such as 30').waitFor();
    await field('CPU, meant to have').fill('35,5');
    await field('memory, at most').fill('');
    await quota.getByRole('combobox', { name: 'priority' }).selectOption('critical');
    await quota.getByRole('checkbox', { name: 'the kernel holds it to its allocation' }).check();
    await quota.locator('summary').click();
    assert.equal(await quota.locator('.as-links code').first().innerText(), 'headroom quota set indexer --cpu 35.5 --priority critical --enforce');
    await field('CPU, meant to have').press('Enter');
    await quota.getByText('In force, and kept.').waitFor();
    await until('the new quota', async () => /critical priority · 40 % buffer · held to it by the kernel .* CPU 35\.5 % 5 % 50 %/.test(await text_of(quota)));
    assert.deepEqual(stand_in.patches, [
      ['components/indexer/quota', { cpu_percent: 95 }, 'PUT'],
      ['components/indexer/quota', { cpu_percent: 35.5, max_memory_mb: null, priority: 'critical', enforce: true }, 'PUT'],
    ]);
  }));

test('times of the week get bounds of their own, and are forgotten by a button only', () =>
  scene('full', { path: '#/components/indexer' }, async (page, stand_in) => {
    const quota = section(page, 'quota');
    const times = quota.getByRole('combobox', { name: 'change it for' });
    await times.selectOption('Sat-Sun 00:00-24:00');
    assert.equal(await quota.getByRole('combobox', { name: 'priority' }).inputValue(), 'low');
    await quota.getByRole('button', { name: 'Change quota' }).click();
    await quota.getByText('Refused: nothing was changed').waitFor(); // sent alone, the times would be forgotten
    await quota.getByRole('textbox', { name: 'CPU, at most' }).fill('20');
    await page.keyboard.press('Enter');
    await quota.getByText('In force, and kept.').waitFor();
    await times.selectOption('other times');
    await quota.getByRole('textbox', { name: 'times' }).fill('Fri 12:00-13:00');
    await quota.getByRole('textbox', { name: 'memory, meant to have' }).fill('900');
    await page.keyboard.press('Enter');
    await quota.locator('[data-window="Fri 12:00-13:00"]').waitFor();
    await quota.getByRole('button', { name: 'Forget Fri 12:00-13:00' }).press('Enter');
    await quota.locator('[data-window="Fri 12:00-13:00"]').waitFor({ state: 'detached' });
    assert.deepEqual(stand_in.patches.map(([, body]) => body), [
      { max_cpu_percent: 20, during: 'Sat-Sun 00:00-24:00' }, { memory_mb: 900, during: 'Fri 12:00-13:00' }, { during: 'Fri 12:00-13:00' },
    ]);
  }));

test('a strategy is looked at before it is set; what it would change is said; a refusal too', () =>
  scene('full', { expected: /409 \(Conflict\)/, path: '#/components' }, async (page, stand_in) => {
    const strategy = section(page, 'strategy');
    await strategy.locator('[data-preview=adaptive]').getByText('adaptive is in force').waitFor();
    assert.equal(await strategy.locator('[data-word]').count(), 7);
    assert.equal(await strategy.getByRole('button', { name: /^Set/ }).count(), 0);
    const adaptive = strategy.getByRole('group', { name: 'how boldly' }).getByRole('radio', { name: 'adaptive' });
    await adaptive.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await strategy.getByRole('group', { name: 'by what' }).getByRole('radio', { name: 'predictive' }).check({ force: true });
    const preview = strategy.locator('[data-preview="balanced+predictive"]');
    await preview.waitFor();
    assert.match(await text_of(preview), /^adaptive → balanced\+predictive buffer over a demand 55 % → 35 % kept back of the memory 5 % → 12 % too little weighs 50× → 200× lends what lies idle yes → no A demand is told from what is foreseen\. 4 components/);
    assert.equal(await page.evaluate(() => location.hash), '#/components?posture=balanced&estimator=predictive');
    assert.deepEqual(stand_in.patches, [], 'nothing was changed by looking');
    await preview.getByRole('button', { name: 'Set balanced+predictive' }).press('Enter');
    await strategy.getByText('balanced+predictive is in force, and stays so after a restart.').waitFor();
    await until('it is in force', async () => /^in force balanced\+predictive/.test(await text_of(strategy.locator('.strategy-now'))));
    assert.deepEqual((await strategy.locator('[data-word]', { hasText: 'in force' }).evaluateAll((rows) => rows.map((row) => row.dataset.word))), ['balanced', 'predictive']);
    await strategy.getByRole('radio', { name: 'conservative' }).check({ force: true });
    await strategy.getByRole('radio', { name: 'dynamic' }).check({ force: true });
    await strategy.getByRole('button', { name: 'Set conservative+dynamic' }).click();
    await strategy.getByText('Refused: the configuration file cannot be written; is /etc/headroom writable?').waitFor();
    assert.deepEqual(stand_in.patches.map(([path, body]) => [path, body]), [['strategy', { name: 'balanced+predictive' }], ['strategy', { name: 'conservative+dynamic' }]]);
    await shot(page, 'components');
  }));

test('where no component is, the page shows what brings one', () =>
  scene('empty', { path: '#/components' }, async (page, _, url) => {
    const teach = page.locator('.teach');
    await teach.waitFor();
    const codes = await teach.locator('code').allInnerTexts();
    assert.equal(codes[0], 'headroom quota set indexer --cpu 30 --memory 600M --priority high');
    assert.ok(codes[1].startsWith('curl -X PUT') && codes[1].includes(`${url}/api/v1/components/indexer`));
    JSON.parse(codes[1].match(/-d '([^']*)'/)[1]);
    assert.equal(codes[2], 'headroom component');
    assert.equal(await page.locator('table.components, table.decisions').count(), 0);
    await assert_no_overflow(page);
  }));

test('one that is not there, and a daemon without components, are said so', () =>
  scene('full', { expected: /404 \(Not Found\)/, path: '#/components/nobody', prepare: (page) => page.route('**/api/v1/components', (route) => route.fulfill({ status: 404, contentType: 'application/problem+json', body: '{"detail":"no such path"}' })) }, async (page) => {
    await page.getByText(/^It cannot be read: .* is not here/).waitFor();
    await page.getByRole('link', { name: '← all components' }).click();
    await page.getByText('The components cannot be read: no such path.').waitFor();
    await section(page, 'strategy').locator('[data-word]').first().waitFor();
  }));

test('a daemon that takes no changes shows all, with a preview, and offers none', () =>
  scene('readonly', { path: '#/components?posture=aggressive' }, async (page) => {
    await page.locator('[data-preview=aggressive]').waitFor();
    await until('no buttons', async () => (await page.locator('main button').count()) === 0);
    await page.evaluate(() => void (location.hash = '#/components/indexer'));
    await page.locator('[data-resource=cpu]').waitFor();
    assert.equal(await page.locator('main button, .quota-form').count(), 0);
  }));

test('nonsense is text or unknown on a phone, and a thousand are cut', async () => {
  await scene('hostile', { path: '#/components', viewport: { width: 360, height: 740 } }, async (page) => {
    await page.locator('[data-component=odd]').waitFor();
    await section(page, 'decisions').locator('tbody tr').first().waitFor();
    await assert_no_overflow(page);
    for (const name of ['odd', 'bare', encodeURIComponent('<b>c</b>'.repeat(30))]) {
      await page.evaluate((to) => void (location.hash = `#/components/${to}`), name);
      await page.locator('.back').waitFor();
      await section(page, 'quota').locator('.quota-form').waitFor();
      await assert_no_overflow(page);
    }
    assert.equal(await page.locator('main b, main i, main u').count(), 0);
  });
  await scene('crowded', { path: '#/components' }, async (page) => {
    await page.locator('[data-component]').first().waitFor();
    assert.equal(await page.locator('[data-component]').count(), 200);
    await page.getByText('and 800 more').waitFor();
    await page.getByRole('searchbox', { name: 'filter' }).fill('bulk-995');
    await until('the filter finds what is not shown', async () => (await page.locator('[data-component]').count()) === 1);
    await page.evaluate(() => void (location.hash = '#/components/indexer'));
    await page.getByText('and 177 more').waitFor();
  });
});

for (const [name, options] of [['at full width', { viewport: { width: 1280, height: 900 } }], ['on a phone', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }]])
  test(`the page fits ${name}, and the word of this page is in sight above it`, () =>
    scene('full', { path: '#/components', ...options }, async (page) => {
      await page.locator('[data-component=indexer]').waitFor();
      await section(page, 'strategy').locator('[data-word]').first().waitFor();
      await assert_no_overflow(page);
      const box = await page.locator('nav [aria-current]').boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= options.viewport.width, JSON.stringify(box));
      await page.evaluate(() => void (location.hash = '#/components/indexer'));
      await page.locator('[data-resource=network]').waitFor();
      await assert_no_overflow(page);
    }));
