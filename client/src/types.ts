/** The public surface of the package: what a client can do, what it shows, and what it says when it can't. */

import type { Environment, SharedStorage } from './environment.js';
import type { AuthError } from './errors.js';
import type { TransportMaker } from './transport.js';

/** A person, as the server tells of them. */
export interface User {
  id: string;
  email: string | null;
  email_verified: boolean;
  name: string | null;
}

/** A session that is open on this client. Holds no token. */
export interface Session {
  /** `ses_…`: the same for the life of the session. */
  readonly id: string;
  /** Grows with every refresh; of two sessions with one id the higher is the newer. */
  readonly generation: number;
  readonly user: User;
  /** When the session ends whatever is done, RFC 3339. For display only. */
  readonly expiresAt: string;
}

/** What a client knows now. The same object until something changes, as `useSyncExternalStore` needs it. */
export type Snapshot =
  /** `error` is why it is still not known who is here; it is tried again. */
  | { readonly status: 'loading'; readonly session: null; readonly error: AuthError | null }
  /** `error` is the last refresh that could not be done; the session is kept and it is tried again. */
  | { readonly status: 'authenticated'; readonly session: Session; readonly error: AuthError | null }
  /** `error` says why a session that was here has ended; `null` where none was, or its owner signed out. */
  | { readonly status: 'unauthenticated'; readonly session: null; readonly error: AuthError | null };

/** Everything that can go wrong, for `switch`. */
export type AuthErrorCode =
  | 'network'
  | 'timeout'
  | 'offline'
  | 'rate_limited'
  | 'server'
  | 'invalid_request'
  | 'invalid_credentials'
  | 'invalid_code'
  | 'invalid_mfa_token'
  | 'email_taken'
  | 'email_not_verified'
  | 'wrong_password'
  | 'wrong_code'
  | 'code_required'
  | 'validation_failed'
  | 'mfa_required'
  | 'step_up_required'
  | 'session_expired'
  | 'session_revoked'
  | 'reuse_detected'
  | 'device_mismatch'
  | 'signed_out'
  | 'cookie_blocked'
  | 'forbidden'
  | 'not_found';

export type { AuthError };

/** RFC 9457, as the server answers it. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  request_id: string;
  retry_after?: number;
  /** Of `session_revoked`: why. */
  reason?: string;
  errors?: { field: string; code: string; detail: string }[];
}

export type SignInResult =
  | { readonly status: 'signed_in'; readonly session: Session }
  | { readonly status: 'mfa_required'; readonly mfaToken: string; readonly methods: readonly string[] };

export type SignUpResult =
  | { readonly status: 'signed_in'; readonly session: Session }
  /** The rest happens by mail. */
  | { readonly status: 'check_mail' };

/** One of the user's devices, as `GET /auth/sessions` lists it. */
export interface DeviceSession {
  id: string;
  current: boolean;
  device_name: string | null;
  user_agent: string | null;
  ip: string | null;
  created_at: string;
  last_seen_at: string;
  idle_expires_at: string;
  expires_at: string;
  amr: string[];
}

export interface ClientEventMap {
  /** Somebody signed in, here or in another tab. */
  signed_in: { readonly session: Session };
  /** The session ended by its owner, here or in another tab. */
  signed_out: Record<never, never>;
  /** The session ended otherwise; `error.code` says how. */
  expired: { readonly error: AuthError };
  /** There is a new access token: reconnect sockets, drop what was cached for the old one. */
  token: { readonly session: Session };
  /** A refresh could not be done; it is tried again by itself. */
  refresh_failed: { readonly error: AuthError };
}

export interface Client {
  readonly status: Snapshot['status'];
  readonly session: Session | null;
  snapshot(): Snapshot;
  /** Calls back at every change of the snapshot; answers how to stop. */
  subscribe(listener: () => void): () => void;
  /** Settles once the status is no longer `loading`, or the first refresh could not be done. Never rejects. */
  ready(): Promise<Snapshot>;
  signIn(input: { email: string; password: string; remember?: boolean; deviceName?: string }): Promise<SignInResult>;
  /** Local state is gone at once, whatever becomes of the request, which waits for `after` to settle. Never rejects. */
  signOut(options?: { after?: Promise<unknown> | undefined }): Promise<void>;
  /** A new access token, even if the one at hand still lives. */
  refresh(options?: { reason?: string; signal?: AbortSignal }): Promise<Session>;
  /** An access token that lives at least `minValidity` more seconds (default 10); refreshes when none does. */
  getToken(options?: { minValidity?: number; signal?: AbortSignal }): Promise<string>;
  /** `fetch`, with the access token where `origins` allow it, one refresh and one retry on a 401. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Whether a request to `url` would carry the access token: the rule of `origins`, for adapters. */
  allows(url: string | URL): boolean;
  /** Calls a route of the session server (`/events`) with the access token. Every refusal is an `AuthError`. Default POST. */
  request<T>(path: string, body?: object, method?: string): Promise<T>;
  /**
   * Calls a route of the session server whose answer is a new session, which becomes the client's, in every tab; where
   * the answer is none, so is this one's. `isSignedIn`: with the access token.
   */
  enter(path: string, body: object, isSignedIn?: boolean): Promise<Session | undefined>;
  addEventListener<K extends keyof ClientEventMap>(type: K, listener: (event: ClientEventMap[K]) => void): () => void;
  /** Stops timers, listeners and channels. */
  dispose(): void;
}

/** Where the body transport keeps its credentials (Keychain, SecureStore, a file). */
export interface TokenStorage {
  get(key: string): string | null | Promise<string | null>;
  set(key: string, value: string): void | Promise<void>;
  remove(key: string): void | Promise<void>;
}

export interface ClientOptions {
  /** Where the session routes are: `/auth`, or `https://auth.example.com/auth`. */
  url?: string;
  /** Who may see the access token, beside the origin of `url`. Default: the page's own origin. */
  origins?: readonly string[];
  /** Where there is no browser: `bodyTransport(storage)`. Default: HttpOnly cookies. */
  transport?: TransportMaker;
  /** For apps whose server refreshes, too: `attemptCookie`. */
  attempts?: (environment: Environment) => SharedStorage | undefined;
  fetch?: typeof fetch;
  /** Milliseconds for one request of this library's own. Default 10 000. */
  timeout?: number;
  /** Speak with other tabs. Default true. */
  sync?: boolean;
  /** For tests: what stands between the library and the world. */
  environment?: Partial<Environment>;
}
