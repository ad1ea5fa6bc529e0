/** A page of somebody's app: it shows who is signed in, or why nobody is any more, and leads to login and back. */

import { attemptCookie, createClient, signOutEverywhere, signUp } from 'relatch';

const { searchParams } = new URL(location.href);
const auth = createClient({
  url: '/auth',
  timeout: Number(searchParams.get('timeout') ?? 1500),
  ...(searchParams.has('attempt-cookie') && { attempts: attemptCookie }),
});
const heard = [];
for (const type of ['signed_in', 'signed_out', 'expired', 'refresh_failed']) {
  auth.addEventListener(type, (event) => heard.push(event.error ? `${type} ${event.error.code}` : type));
}

function show() {
  const { status, session, error } = auth.snapshot();
  const view = document.querySelector('main');
  view.dataset.status = status;
  if (status !== 'unauthenticated') return (view.textContent = session ? `Hello ${session.user.email}` : '');
  const query = new URLSearchParams({ return_to: location.pathname + location.search });
  if (error) query.set('reason', error.problem?.reason ?? error.problem?.code ?? error.code);
  const link = document.createElement('a');
  link.href = `/auth/pages/${error ? 'ended' : 'login'}?${query}`;
  link.textContent = error ? 'Your session has ended. Log in again' : 'Log in';
  view.replaceChildren(link);
}
auth.subscribe(show);
show();

/** What the tests take hold of. */
globalThis.tab = {
  auth,
  heard,
  signUp: (input) => signUp(auth, input),
  signOutEverywhere: () => signOutEverywhere(auth),
  /** What the page shows once it knows, however many tries that takes; or after a time what it knows so far. */
  async state(waitMs = 10_000) {
    const { status, error } = await new Promise((done) => {
      const look = () => auth.status !== 'loading' && done(auth.snapshot());
      auth.subscribe(look);
      setTimeout(() => done(auth.snapshot()), waitMs);
      look();
    });
    return error ? `${status} ${error.code}` : status;
  },
  /** The status of somebody's API, as a page's own code would ask it. */
  async ask(waitMs = 10_000) {
    try {
      // Past the cache, before which requests for one address queue up.
      return (await auth.fetch('/api/me', { cache: 'no-store', signal: AbortSignal.timeout(waitMs) })).status;
    } catch (error) {
      return error.name === 'AuthError' ? error.code : error.name;
    }
  },
};
