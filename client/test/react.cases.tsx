/** What `relatch/react` promises; `react.test.ts` runs it with React 18 and with React 19. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { act, StrictMode, version, type ReactNode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { Window } from 'happy-dom';
import { returnPath, SessionExpired, SessionProvider, SignedIn, SignedOut, useClient, useSession } from '../src/react.js';
import type { AuthError, Client, Snapshot } from '../src/types.js';

// The ports of real ones, which `act` makes for every turn, would keep this process alive.
globalThis.MessageChannel = class {
  port1: { onmessage?: () => void } = {};
  port2 = { postMessage: () => void setImmediate(() => this.port1.onmessage?.()) };
} as never;

const ADA = { id: 'usr_a', email: 'ada@example.com', email_verified: true, name: 'Ada' };
const LOADING: Snapshot = { status: 'loading', session: null, error: null };
const IN: Snapshot = {
  status: 'authenticated',
  session: { id: 'ses_a', generation: 1, user: ADA, expiresAt: '2027-01-01T00:00:00Z' },
  error: null,
};
const OUT: Snapshot = { status: 'unauthenticated', session: null, error: null };
const ended = (code: string, reason?: string): Snapshot => ({
  status: 'unauthenticated',
  session: null,
  error: { name: 'AuthError', code, problem: reason ? { reason } : undefined } as unknown as AuthError,
});

/** A client that shows what it is told to, and counts who listens. */
function store(snapshot: Snapshot) {
  const listeners = new Set<() => void>();
  const client = {
    subscribe: (listener: () => void) => (listeners.add(listener), () => listeners.delete(listener)),
    snapshot: () => snapshot,
  } as unknown as Client;
  const set = (next: Snapshot) => {
    snapshot = next;
    for (const listener of [...listeners]) listener();
  };
  return { client, listeners, set };
}

function App(): ReactNode {
  const { status } = useSession();
  return (
    <main>
      <i>{status}</i>
      <SignedIn>{(session) => <b>{session.user.name}</b>}</SignedIn>
      <SignedIn>
        <u>in</u>
      </SignedIn>
      <SignedOut>
        <em>please log in</em>
      </SignedOut>
    </main>
  );
}

/** A page at a URL, and what React complained of meanwhile. */
async function page(url: string, run: (root: HTMLElement, complaints: unknown[]) => Promise<void> | void) {
  const window = new Window({ url });
  const names = ['window', 'document', 'location', 'navigator', 'HTMLElement', 'Node', 'HTMLIFrameElement'] as const;
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const name of names) {
    Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
  }
  (globalThis as Record<string, unknown>)['IS_REACT_ACT_ENVIRONMENT'] = true;
  const complaints: unknown[] = [];
  const { error } = console;
  console.error = (...words: unknown[]) => complaints.push(words);
  try {
    const root = window.document.createElement('div') as unknown as HTMLElement;
    window.document.body.append(root as never);
    await run(root, complaints);
  } finally {
    console.error = error;
    for (const [name, was] of before) {
      if (was) Object.defineProperty(globalThis, name, was);
      else delete (globalThis as Record<string, unknown>)[name];
    }
    await window.happyDOM.close();
  }
}

const name = (promise: string) => `React ${version.split('.')[0]}: ${promise}`;

test(name('components follow the client, in StrictMode too, and leave nothing behind'), () =>
  page('https://app.test/', async (element, complaints) => {
    const { client, listeners, set } = store(LOADING);
    const root = createRoot(element);
    const tree = (
      <StrictMode>
        <SessionProvider client={client}>
          <App />
        </SessionProvider>
      </StrictMode>
    );
    await act(async () => root.render(tree));
    assert.equal(element.innerHTML, '<main><i>loading</i></main>');
    await act(async () => set(IN));
    assert.equal(element.innerHTML, '<main><i>authenticated</i><b>Ada</b><u>in</u></main>');
    await act(async () => set(OUT));
    assert.equal(element.innerHTML, '<main><i>unauthenticated</i><em>please log in</em></main>');
    await act(async () => root.unmount());
    assert.equal(listeners.size, 0);
    assert.deepEqual(complaints, []);
  }));

test(name('a server never asks the client, and hydration matches whatever the client knows by then'), async () => {
  const { client } = store(IN);
  const tree = (initial?: Snapshot) => (
    <SessionProvider client={client} initial={initial}>
      <App />
      <SessionExpired />
    </SessionProvider>
  );
  assert.equal(renderToString(tree()), '<main><i>loading</i></main>');
  for (const initial of [undefined, OUT, IN, ended('session_expired')]) {
    const html = renderToString(tree(initial));
    await page('https://app.test/there', async (element, complaints) => {
      element.innerHTML = html;
      const root = await act(async () => hydrateRoot(element, tree(initial)));
      assert.deepEqual(complaints, []);
      assert.equal(element.innerHTML, '<main><i>authenticated</i><b>Ada</b><u>in</u></main>');
      await act(async () => root.unmount());
    });
  }
});

test(name('what the server knew stays until the client knows better'), () =>
  page('https://app.test/', async (element) => {
    const { client, set } = store(LOADING);
    const root = createRoot(element);
    const render = () =>
      root.render(
        <SessionProvider client={client} initial={IN}>
          <App />
        </SessionProvider>,
      );
    await act(async () => render());
    assert.match(element.innerHTML, /Ada/);
    await act(async () => set(OUT));
    assert.doesNotMatch(element.innerHTML, /Ada/);
    await act(async () => root.unmount());
  }));

test(name('that the client could not find out shows while loading, whether the server knew something or not'), () =>
  page('https://app.test/', async (element) => {
    const error = { name: 'AuthError', code: 'offline' } as AuthError;
    const Why = () => {
      const { status, error } = useSession();
      return status + ' ' + error?.code;
    };
    for (const initial of [undefined, LOADING, IN, OUT]) {
      const { client, set } = store(LOADING);
      const root = createRoot(element);
      const tree = (
        <SessionProvider client={client} initial={initial}>
          <Why />
        </SessionProvider>
      );
      await act(async () => root.render(tree));
      const shown = initial?.status ?? 'loading';
      assert.equal(element.innerHTML, `${shown} undefined`);
      await act(async () => set({ ...LOADING, error }));
      // Where nobody is signed in, an error would say that a session has ended.
      assert.equal(element.innerHTML, `${shown} ${initial == OUT ? undefined : 'offline'}`);
      await act(async () => root.unmount());
    }
  }));

test(name('a session that ended says why, and the link comes back to this page'), () =>
  page('https://app.test/cart?item=1&x=a%20b#top', async (element, complaints) => {
    const { client, set } = store(IN);
    const root = createRoot(element);
    await act(async () =>
      root.render(
        <SessionProvider client={client}>
          <SessionExpired />
        </SessionProvider>,
      ),
    );
    assert.equal(element.innerHTML, '');
    await act(async () => set(ended('session_revoked', 'password_changed')));
    assert.match(element.textContent ?? '', /Your session has ended\. Your password was changed\. Log in again/);
    assert.equal(element.querySelector('[role=alert] a')?.getAttribute('href'), '/auth/pages/login?return_to=%2Fcart%3Fitem%3D1%26x%3Da%2520b%23top');
    await act(async () => set(ended('reuse_detected')));
    assert.match(element.textContent ?? '', /a copy of it/);
    // Who signed out needs no explanation.
    await act(async () => set(OUT));
    assert.equal(element.innerHTML, '');
    await act(async () => root.unmount());
    assert.deepEqual(complaints, []);
  }));

test(name('the message can be an own one, and never leads elsewhere'), () =>
  page('https://app.test//evil.test/', async (element) => {
    const { client } = store(ended('session_expired'));
    const root = createRoot(element);
    const shown = (returnTo?: string) =>
      act(async () =>
        root.render(
          <SessionProvider client={client}>
            <SessionExpired loginUrl="/login?lang=de" {...(returnTo === undefined ? {} : { returnTo })}>
              {({ error, loginUrl }) => `${error.code} ${loginUrl}`}
            </SessionExpired>
          </SessionProvider>,
        ),
      );
    await shown();
    assert.equal(element.textContent, 'session_expired /login?lang=de&return_to=%2F');
    await shown('https://evil.test/');
    assert.equal(element.textContent, 'session_expired /login?lang=de&return_to=%2F');
    await shown('/a/b');
    assert.equal(element.textContent, 'session_expired /login?lang=de&return_to=%2Fa%2Fb');
    await act(async () => root.unmount());
  }));

test(name('without a provider the mistake is named'), () => {
  const Lost = () => (useClient(), null);
  const { error } = console;
  console.error = () => {};
  try {
    assert.throws(() => renderToString(<Lost />), /SessionProvider/);
  } finally {
    console.error = error;
  }
});

test(name('the path back is one of this origin'), () => {
  for (const fine of ['/', '/a', '/a/', '/a/b?c=d&e=//f#g', '/a?next=https://x.test/', '/%2F/x', '/.well-known/x']) {
    assert.equal(returnPath(fine), fine);
  }
  const base = 'https://app.test';
  for (const bad of ['//evil.test', '/\\evil.test', '/\t/evil.test', '/\n/evil.test', '/.//evil.test', '/a/..//evil.test', '\\/x', 'https://evil.test', 'javascript:alert(1)', 'a', ' /a', '/a\\b', '?x', '', null, undefined]) {
    assert.equal(returnPath(bad), '/', String(bad));
    assert.equal(new URL(returnPath(bad), base).origin, base);
  }
});
