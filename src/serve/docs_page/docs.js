// The reference, made in the browser from openapi.json: nothing here names an operation or a field.
'use strict';

const kMethods = ['get', 'post', 'put', 'patch', 'delete'];
const kMostShown = 200000; // characters of an answer; a page need not hold megabytes
const kStreamTime = 3000; // milliseconds that a stream is watched

let contract = null;

/** An element with attributes and children; text becomes text, never HTML. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, '');
    else if (value !== undefined && value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolve(schema) {
  return schema && schema.$ref ? contract.components.schemas[schema.$ref.split('/').pop()] : schema;
}

/** A type in a few words: "integer or null", "Lease", "list of Room". */
function type_words(schema) {
  if (!schema) return 'anything';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.oneOf) return schema.oneOf.map(type_words).join(' or ');
  if (schema.enum) return schema.enum.map((word) => (word === null ? 'null' : `"${word}"`)).join(' | ');
  const types = [].concat(schema.type ?? 'anything');
  return types
    .map((type) => {
      if (type === 'array' && schema.prefixItems) return `[${schema.prefixItems.map(type_words).join(', ')}]`;
      if (type === 'array') return `list of ${type_words(schema.items)}`;
      if (type === 'string' && schema.format) return schema.format;
      return type;
    })
    .join(' or ');
}

/** The members below a schema, opened one level at a time: schemas may be deep. */
function members(schema) {
  const known = resolve(schema);
  if (!known) return null;
  if (known.oneOf) {
    const all = known.oneOf.filter((one) => one.type !== 'null');
    return all.length === 1 ? members(all[0]) : make('ul', {}, ...all.map((one) => member('', one, true)));
  }
  if (known.items) return members(known.items);
  if (known.properties) {
    const required = new Set(known.required ?? []);
    return make('ul', {}, ...Object.entries(known.properties).map(([name, one]) => member(name, one, required.has(name))));
  }
  if (known.additionalProperties && typeof known.additionalProperties === 'object') {
    return make('ul', {}, member('(any name)', known.additionalProperties, true));
  }
  return null;
}

function has_members(schema) {
  const known = resolve(schema);
  if (!known) return false;
  if (known.oneOf) return known.oneOf.some(has_members);
  if (known.items) return has_members(known.items);
  return Boolean(known.properties) || (known.additionalProperties && typeof known.additionalProperties === 'object');
}

function member(name, schema, required) {
  const about = schema.description ?? '';
  const line = [
    name ? make('span', {}, name + (required ? '' : '?')) : null,
    name ? ' ' : null,
    make('span', { class: 'type' }, type_words(schema)),
    about ? make('span', { class: 'about' }, ` ${about}`) : null,
  ];
  if (!has_members(schema)) return make('li', {}, ...line);
  const details = make('details', {}, make('summary', {}, ...line));
  details.addEventListener('toggle', () => details.children.length === 1 && details.append(members(schema) ?? ''), { once: true });
  return make('li', {}, details);
}

function shell_quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** One operation: its description, a form, and what came of trying it. */
function operation_panel(path, method, operation) {
  const id = operation.operationId;
  const panel = make('details', { class: 'operation', id });
  panel.append(
    make(
      'summary',
      {},
      make('span', { class: `method ${method}` }, method.toUpperCase()),
      make('span', { class: 'path' }, path),
      make('span', { class: 'summary' }, operation.summary ?? ''),
    ),
  );
  const fill = () => {
    if (panel.children.length > 1) return;
    panel.append(operation_body(id, path, method, operation));
  };
  panel.addEventListener('toggle', () => panel.open && fill());
  return panel;
}

function operation_body(id, path, method, operation) {
  const body = make('div');
  if (operation.description) body.append(make('p', {}, operation.description));
  const inputs = [];
  if (operation.parameters?.length) {
    body.append(make('h4', {}, 'Parameters'));
    for (const parameter of operation.parameters) {
      const schema = parameter.schema ?? {};
      const name = `${id}-${parameter.name}`;
      const words = schema.enum;
      const input = words
        ? make('select', { id: name }, make('option', { value: '' }, ''), ...words.map((word) => make('option', { value: word }, word)))
        : make('input', { id: name, placeholder: schema.default ?? '', autocomplete: 'off', spellcheck: 'false' });
      inputs.push({ parameter, input });
      const hint = [parameter.description, schema.items?.enum ? `Of: ${schema.items.enum.join(', ')}.` : '', schema.default !== undefined ? `Without it: ${schema.default}.` : '']
        .filter(Boolean)
        .join(' ');
      body.append(
        make('div', { class: 'field' }, make('label', { for: name }, parameter.name + (parameter.required ? ' *' : '')), input, make('span', { class: 'hint' }, hint)),
      );
    }
  }
  let request = null;
  const media = operation.requestBody && Object.entries(operation.requestBody.content)[0];
  if (media) {
    const [type, { schema }] = media;
    const name = `${id}-body`;
    const example = resolve(schema)?.example;
    request = make('textarea', { id: name, spellcheck: 'false' });
    request.value = example ? JSON.stringify(example, null, 2) : '';
    body.append(make('h4', {}, make('label', { for: name }, `Body: ${type}`)), request);
    const tree = members(schema);
    if (tree) body.append(make('div', { class: 'schema' }, tree));
  }

  body.append(make('h4', {}, 'Answers'));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const content = Object.entries(answer.content ?? {});
    const shapes = content.map(([type, { schema }]) => {
      const tree = members(schema);
      const words = `${type}${schema.type === 'string' ? '' : `: ${type_words(schema)}`}`;
      return tree ? make('details', {}, make('summary', {}, words), tree) : make('div', {}, words);
    });
    body.append(make('div', { class: 'schema' }, make('strong', {}, status === 'default' ? 'otherwise' : status), ` ${answer.description ?? ''}`, ...shapes));
  }

  const curl = make('pre', { 'aria-label': 'As a command' });
  const copy = make('button', { class: 'small', type: 'button' }, 'Copy');
  const button = make('button', { type: 'button', class: 'go' }, `Try ${method.toUpperCase()}`);
  const status = make('span', { class: 'status', role: 'status' });
  const answer = make('pre', { class: 'answer', hidden: true, tabindex: '0', 'aria-label': 'Answer' });

  const address = () => {
    let where = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of inputs) {
      const value = input.value;
      if (parameter.in === 'path') where = where.replace(`{${parameter.name}}`, encodeURIComponent(value));
      else if (value !== '') query.set(parameter.name, value);
    }
    const text = query.toString();
    // Relative, so that a proxy may keep the daemon below a path of its own.
    return new URL(`.${where}${text ? `?${text}` : ''}`, document.baseURI);
  };
  const show_curl = () => {
    const words = ['curl'];
    if (method !== 'get') words.push('-X', method.toUpperCase());
    if (request) words.push('-H', shell_quote(`Content-Type: ${media[0]}`), '--data-binary', shell_quote(request.value));
    words.push(shell_quote(address().href));
    curl.textContent = words.join(' ');
  };
  const go = async () => {
    button.disabled = true;
    status.className = 'status';
    status.textContent = 'asking…';
    const began = performance.now();
    const stop = new AbortController();
    try {
      const options = { method: method.toUpperCase(), signal: stop.signal, cache: 'no-store' };
      if (request) {
        options.body = request.value;
        options.headers = { 'Content-Type': media[0] };
      }
      const got = await fetch(address(), options);
      const type = got.headers.get('Content-Type') ?? '';
      let text;
      if (type.startsWith('text/event-stream')) {
        text = await watch(got, stop);
      } else {
        text = await got.text();
      }
      status.textContent = `${got.status} ${got.statusText}, ${(performance.now() - began).toFixed(1)} ms, ${text.length} characters`;
      status.classList.add(got.ok ? 'ok' : 'bad');
      if (type.includes('json')) text = JSON.stringify(JSON.parse(text), null, 2);
      answer.textContent = text.length > kMostShown ? `${text.slice(0, kMostShown)}\n… and ${text.length - kMostShown} more` : text;
    } catch (error) {
      status.textContent = 'no answer';
      status.classList.add('bad');
      answer.textContent = String(error);
    }
    answer.hidden = false;
    button.disabled = false;
  };
  button.addEventListener('click', go);
  copy.addEventListener('click', () => navigator.clipboard?.writeText(curl.textContent));
  for (const { input } of inputs) {
    input.addEventListener('input', show_curl);
    input.addEventListener('keydown', (event) => event.key === 'Enter' && go());
  }
  request?.addEventListener('input', show_curl);
  show_curl();
  body.append(make('h4', {}, 'Try it'), curl, make('div', { class: 'try' }, button, copy, status), answer);
  return body;
}

/** The first seconds of a stream. */
async function watch(got, stop) {
  const reader = got.body.getReader();
  const decoder = new TextDecoder();
  const timer = setTimeout(() => stop.abort(), kStreamTime);
  let text = '';
  try {
    while (text.length < kMostShown) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
  clearTimeout(timer);
  stop.abort();
  return text;
}

function filter(text) {
  const wanted = text.trim().toLowerCase();
  for (const panel of document.querySelectorAll('details.operation')) {
    const shown = !wanted || panel.querySelector('summary').textContent.toLowerCase().includes(wanted);
    panel.hidden = !shown;
    document.querySelector(`#index a[href="#${panel.id}"]`).closest('li').hidden = !shown;
  }
  for (const section of document.querySelectorAll('main section')) {
    section.hidden = !section.querySelector('details.operation:not([hidden])');
  }
}

function open_named() {
  const panel = document.getElementById(location.hash.slice(1));
  if (!panel?.matches('details.operation')) return;
  panel.open = true;
  panel.scrollIntoView();
  panel.querySelector('summary').focus();
}

async function start() {
  const main = document.getElementById('operations');
  const about = document.getElementById('about');
  try {
    const got = await fetch('openapi.json');
    if (!got.ok) throw new Error(`openapi.json: ${got.status}`);
    contract = await got.json();
  } catch (error) {
    about.textContent = `The reference could not be read. ${error}`;
    return;
  }
  document.getElementById('version').textContent = contract.info.version;
  about.textContent = contract.info.description ?? '';
  const index = document.getElementById('index');
  const operations = Object.entries(contract.paths).flatMap(([path, item]) =>
    kMethods.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })),
  );
  for (const { name } of contract.tags) {
    const own = operations.filter(({ operation }) => operation.tags?.includes(name));
    const section = make('section', { 'aria-labelledby': `noun-${name}` }, make('h2', { id: `noun-${name}` }, name));
    const links = make('ul');
    for (const { path, method, operation } of own) {
      section.append(operation_panel(path, method, operation));
      links.append(make('li', {}, make('a', { href: `#${operation.operationId}` }, operation.operationId.replaceAll('_', ' '))));
    }
    main.append(section);
    index.append(make('li', {}, make('span', { class: 'noun' }, name), links));
  }
  document.getElementById('filter').addEventListener('input', (event) => filter(event.target.value));
  addEventListener('hashchange', open_named);
  open_named();
}

start();
