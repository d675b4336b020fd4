// The OpenAPI document of a real daemon, before a validator that is not ours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';

const url = process.env.HEADROOM_URL;
const document = async () => (await fetch(`${url}/openapi.json`)).json();

test('openapi.json is OpenAPI 3.1', async () => {
  const result = await new Validator().validate(await document());
  assert.deepEqual(result.errors ?? [], []);
  assert.equal(result.valid, true);
});

test('the validator sees what is wrong', async () => {
  const broken = await document();
  broken.paths['/api/v1/room'].get.responses = [];
  assert.equal((await new Validator().validate(broken)).valid, false);
});

test('every reading path without a variable answers as it says', async () => {
  const contract = await document();
  let asked = 0;
  for (const [path, item] of Object.entries(contract.paths)) {
    if (!item.get || path.includes('{') || path === '/api/v1/stream') continue;
    const missing = (item.get.parameters ?? []).filter((one) => one.required);
    const query = missing.map((one) => `${one.name}=${one.schema.enum[0]}`).join('&');
    const got = await fetch(`${url}${path}${query ? `?${query}` : ''}`);
    await got.arrayBuffer();
    const told = item.get.responses[got.status] ?? (got.status >= 400 ? item.get.responses.default : undefined);
    assert.ok(told, `${path} answers ${got.status}`);
    const type = got.headers.get('content-type').split(';')[0];
    assert.ok(type in told.content, `${path} answers with ${type}`);
    asked += 1;
  }
  assert.ok(asked >= 20, `only ${asked} paths were asked`);
});
