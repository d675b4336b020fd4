// What can be checked of a page's use by screen readers, by keyboard and by weak eyes: names, roles, headings,
// tables, and contrast as it is computed. Each finding is one line; an empty list is a clean page.
/* global document, getComputedStyle */

function look() {
  const found = [];
  const say = (element, what) => found.push(`${what}: <${element.tagName.toLowerCase()} class="${element.getAttribute('class') ?? ''}"> ${(element.textContent ?? '').trim().slice(0, 50)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];

  const name_of = (element) => {
    const label = element.getAttribute('aria-label');
    if (label) return label;
    const by = element.getAttribute('aria-labelledby');
    if (by) return by.split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
    if (element.labels?.length) return [...element.labels].map((each) => each.textContent).join(' ');
    return /^(INPUT|SELECT)$/.test(element.tagName) ? '' : element.textContent;
  };
  for (const element of all('a[href], button, input, select, summary, [role=img], [role=button], section, nav, fieldset')) {
    const name = element.tagName === 'FIELDSET' ? element.querySelector('legend')?.textContent : name_of(element);
    if (!name?.trim()) say(element, 'has no name');
  }
  const ids = all('[id]').map((element) => element.id);
  for (const id of ids.filter((each, n) => ids.indexOf(each) !== n)) found.push(`id ${id} is there twice`);
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls'])
    for (const element of all(`[${attribute}]`))
      for (const id of element.getAttribute(attribute).split(' ')) if (!document.getElementById(id)) say(element, `${attribute} names ${id}, which is not there`);

  if (all('h1').length !== 1) found.push(`${all('h1').length} h1`);
  if (all('main').length !== 1) found.push(`${all('main').length} main`);
  if (!document.documentElement.lang) found.push('no lang');
  if (!document.title) found.push('no title');
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5, h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) say(heading, `skips from h${level}`);
    level = own;
  }
  for (const table of all('table')) {
    if (!table.querySelector('caption')?.textContent.trim()) say(table, 'has no caption');
    const columns = table.querySelectorAll('thead th').length;
    for (const head of table.querySelectorAll('th')) if (!head.scope) say(head, 'has no scope');
    for (const row of table.querySelectorAll('tbody tr')) {
      if (row.children.length !== columns) say(row, `has ${row.children.length} cells for ${columns} columns`);
      for (const cell of row.children) if (!/^(cell|rowheader)$/.test(cell.getAttribute('role') ?? '')) say(cell, 'has no role, and is no cell once it is drawn as a card');
    }
  }
  for (const items of all('ul, ol')) for (const child of items.children) if (child.tagName !== 'LI') say(child, 'is in a list and no item');
  for (const items of all('dl')) for (const child of items.querySelectorAll('dt, dd')) if (!child.closest('dl')) say(child, 'is outside of its list');
  for (const sorted of all('[aria-sort]')) if (!/^(ascending|descending|none)$/.test(sorted.getAttribute('aria-sort'))) say(sorted, 'has no such order');
  for (const element of all('[tabindex]')) if (Number(element.getAttribute('tabindex')) > 0) say(element, 'jumps the queue of the tab key');
  for (const state of all('.level, .state')) if (!state.textContent.trim()) say(state, 'is a colour without a word');

  // Contrast of every text with what is behind it.
  const parse = (colour) => {
    const [r, g, b, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number);
    return { rgb: [r, g, b], a };
  };
  const light_of = ({ rgb }) => rgb.map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a === 1 && colour.rgb.length === 3) return colour;
    }
    return { rgb: [255, 255, 255], a: 1 };
  };
  for (const element of all('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest('.unseen, [aria-hidden=true], noscript, :disabled, .u-hz')) continue;
    const style = getComputedStyle(element);
    if (style.visibility === 'hidden' || element.getClientRects().length === 0) continue;
    const [a, b] = [light_of(parse(style.color)), light_of(behind(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) say(element, `contrast ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)].slice(0, 20);
}

export function findings(page) {
  return page.evaluate(look);
}

/** The contrast of each named colour of the sheet with the panel and the ground behind it: the lesser of the two. */
export function contrasts(page, names) {
  return page.evaluate((wanted) => {
    const style = getComputedStyle(document.documentElement);
    const light_of = (name) => {
      const hex = style.getPropertyValue(name).trim();
      const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
      return parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
    };
    const ratio = (one, other) => {
      const [a, b] = [light_of(one), light_of(other)].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05);
    };
    return Object.fromEntries(wanted.map((name) => [name, Math.min(ratio(name, '--panel'), ratio(name, '--ground'))]));
  }, names);
}
