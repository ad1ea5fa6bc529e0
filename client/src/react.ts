'use client';
/** `relatch/react`: who is signed in, for components. State lives in the client; this only shows it. */

import {
  createContext,
  createElement,
  useContext,
  useMemo,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';
import { returnPath } from './return-path.js';
import type { AuthError, Client, Session, Snapshot } from './types.js';

export { returnPath };

/** Gives its children the client. */
export function SessionProvider(props: {
  /** Made once, outside of components. On a server it is never asked who is signed in. */
  client: Client;
  /** What the server knew when it rendered the page; shown until the client knows by itself. */
  initial?: Snapshot | undefined;
  children?: ReactNode;
}): ReactElement {
  const { client, initial } = props;
  const value = useMemo(() => ({ client, initial }), [client, initial]);
  return createElement(Context.Provider, { value }, props.children);
}

/** The client of the provider above. */
export function useClient(): Client {
  return useProvided().client;
}

/** Who is signed in: switch on `status`. */
export function useSession(): Snapshot {
  const { client, initial = LOADING } = useProvided();
  const snapshot = useSyncExternalStore(client.subscribe, client.snapshot, () => initial);
  return useMemo(() => {
    const { status, error } = snapshot;
    if (status != 'loading') return snapshot;
    // With nobody signed in, an error would say that a session has ended.
    return error && initial.status != 'unauthenticated' ? { ...initial, error } : initial;
  }, [snapshot, initial]);
}

/** Its children while somebody is signed in. */
export function SignedIn(props: { children?: ReactNode | ((session: Session) => ReactNode) }): ReactNode {
  const { session } = useSession();
  const { children } = props;
  return session && (typeof children == 'function' ? children(session) : children);
}

/** Its children while it is certain that nobody is signed in. */
export function SignedOut(props: { children?: ReactNode }): ReactNode {
  return useSession().status == 'unauthenticated' ? props.children : null;
}

/** A session that ended without its owner's doing. */
export interface Expired {
  readonly error: AuthError;
  /** A sentence that says why, in English; empty where there is nothing to add. */
  readonly reason: string;
  /** The page to log in, which finds the way back in `return_to`. */
  readonly loginUrl: string;
}

/** "Your session has ended", why, and a link to log in that leads back to this page; or what `children` make of it. */
export function SessionExpired(props: {
  /** The page to log in. Default `/auth/pages/login`, which the server brings. */
  loginUrl?: string;
  /** The path to come back to. Default: the page's own. Anything but a path of this origin counts as `/`. */
  returnTo?: string;
  children?: (expired: Expired) => ReactNode;
}): ReactNode {
  const { status, error } = useSession();
  const here = useSyncExternalStore(never, pathOfPage, () => '/');
  if (status != 'unauthenticated' || !error) return null;
  const { loginUrl: page = '/auth/pages/login', returnTo = here, children } = props;
  const reason = REASONS[error.problem?.reason ?? ''] ?? REASONS[error.code] ?? '';
  const query = (page.includes('?') ? '&' : '?') + 'return_to=' + encodeURIComponent(returnPath(returnTo));
  const expired = { error, reason, loginUrl: page + query };
  if (children) return children(expired);
  const link = createElement('a', { href: expired.loginUrl }, 'Log in again');
  return createElement('div', { role: 'alert' }, 'Your session has ended. ', expired.reason, ' ', link);
}

const LEAKED = 'Somebody else may hold a copy of it: look at your devices.';

const REASONS: Record<string, string | undefined> = {
  session_expired: 'It was open or unused for too long.',
  session_revoked: 'It was ended from elsewhere.',
  password_changed: 'Your password was changed.',
  password_reset: 'Your password was reset.',
  reuse_detected: LEAKED,
  token_reused: LEAKED,
  cookie_blocked: 'This browser keeps no cookies.',
};

interface Provided {
  readonly client: Client;
  readonly initial: Snapshot | undefined;
}

const Context = createContext<Provided | null>(null);

function useProvided(): Provided {
  const provided = useContext(Context);
  if (!provided) throw new Error('Put a <SessionProvider> around the app.');
  return provided;
}

const LOADING: Snapshot = { status: 'loading', session: null, error: null };

const never = () => () => {};

const pathOfPage = () => location.pathname + location.search + location.hash;
