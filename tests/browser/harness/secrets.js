/** Looks for secrets wherever a script, a person or a log could come upon them. */

/** Everything that scripts can reach in a page, as one text: globals and what hangs on them, storage, cookies, addresses. */
export async function reachable(page) {
  const found = [];
  for (const frame of page.frames()) found.push(await frame.evaluate(everything));
  return found.join('\n');
}

/** Those of `secrets` that stand in `text`, wholly or by a telling part; and whatever looks like a token. */
export function secretsIn(text, secrets) {
  const parts = [...secrets].map((secret) => secret.slice(-PART));
  const lookalikes = text.match(/rlt_[\w-]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+/g) ?? [];
  return [...parts.filter((part) => text.includes(part)), ...lookalikes];
}

/** No part of a token is so long by chance; the end of one is its signature. */
const PART = 20;

/** Runs in the page. Calls nothing that it finds: what a function would answer is that function's business. */
async function everything() {
  const texts = [];
  const seen = new Set();
  const queue = [globalThis];
  while (queue.length && seen.size < 200_000) {
    const value = queue.pop();
    if (typeof value === 'string') texts.push(value);
    if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value)) continue;
    seen.add(value);
    if (typeof value === 'function') texts.push(Function.prototype.toString.call(value));
    if (value instanceof Map || value instanceof Set) queue.push(...[...value].flat());
    for (const key of Reflect.ownKeys(value)) {
      texts.push(String(key));
      const property = Object.getOwnPropertyDescriptor(value, key);
      try {
        queue.push('value' in property ? property.value : property.get?.call(value));
      } catch {
        // A getter for something else.
      }
    }
    try {
      queue.push(Object.getPrototypeOf(value));
    } catch {
      // Another origin's.
    }
  }
  for (const storage of [localStorage, sessionStorage]) texts.push(JSON.stringify(storage));
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise((done) => (indexedDB.open(name).onsuccess = (event) => done(event.target.result)));
    for (const store of database.objectStoreNames) {
      const request = database.transaction(store).objectStore(store).getAll();
      texts.push(JSON.stringify(await new Promise((done) => (request.onsuccess = () => done(request.result)))));
    }
    database.close();
  }
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) {
      texts.push(request.url, await (await caches.match(request)).text());
    }
  }
  texts.push(document.cookie, location.href, document.referrer, window.name, JSON.stringify(history.state));
  texts.push(document.documentElement.outerHTML);
  texts.push(...performance.getEntries().map((entry) => entry.name));
  return texts.join('\n');
}
