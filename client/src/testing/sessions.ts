/** The refresh rule in small: fork-evident rotation, as the server has it, for as many sessions as a test needs. */

import type { User } from '../types.js';

export interface FakeSession {
  readonly id: string;
  readonly user: User;
  readonly transport: 'cookie' | 'body';
  /** The browser it belongs to. */
  readonly device: string | undefined;
  readonly startedAt: number;
  lastSeenAt: number;
  /** Why it has ended. */
  revoked?: string;
  head: Head;
}

interface Head {
  generation: number;
  nonce: string;
  parent: string;
  at: number;
  attempt: string | undefined;
}

interface RefreshToken {
  session: FakeSession;
  generation: number;
  nonce: string;
  parent: string;
  issuedAt: number;
}

export interface Limits {
  idleSeconds: number;
  absoluteSeconds: number;
  reuseWindowSeconds: { cookie: number; body: number };
}

export type Refreshed =
  | { readonly session: FakeSession; readonly token: string; readonly generation: number }
  | { readonly code: string; readonly reason?: string };

/** Every session of a fake server. Times are in milliseconds. */
export class Sessions {
  readonly all = new Map<string, FakeSession>();
  readonly #tokens = new Map<string, RefreshToken>();
  /** The child that an attempt was given. */
  readonly #given = new Map<string, string>();
  #count = 0;

  constructor(readonly limits: Limits) {}

  open(user: User, transport: 'cookie' | 'body', device: string | undefined, now: number) {
    const head = { generation: 0, nonce: this.#name('n'), parent: '', at: -Infinity, attempt: undefined };
    const session = { id: this.#name('ses_'), user, transport, device, startedAt: now, lastSeenAt: now, head };
    this.all.set(session.id, session);
    return { session, token: this.#issue(session, now), generation: 1 };
  }

  /** Why a session is over, if it is. */
  end(session: FakeSession, now: number): { code: string; reason?: string } | undefined {
    const { idleSeconds, absoluteSeconds } = this.limits;
    if (session.revoked === 'token_reused') return { code: 'session_revoked', reason: 'token_reused' };
    if (session.revoked) return { code: 'session_revoked', reason: session.revoked };
    const over = now >= session.lastSeenAt + idleSeconds * 1000 || now >= session.startedAt + absoluteSeconds * 1000;
    return over ? { code: 'session_expired' } : undefined;
  }

  find(token: string): FakeSession | undefined {
    return this.#tokens.get(token)?.session;
  }

  /** The table of the refresh rule. */
  refresh(text: string, by: { transport: string; device: string | undefined; attempt: string | undefined }, now: number): Refreshed {
    const token = this.#tokens.get(text);
    if (!token || token.session.transport !== by.transport) return { code: 'invalid_token' };
    const { session } = token;
    if (session.device !== by.device) return { code: 'device_mismatch' };
    const end = this.end(session, now);
    if (end) return end;

    const { head } = session;
    const windowMs = this.limits.reuseWindowSeconds[session.transport] * 1000;
    const isFresh = now < head.at + windowMs;
    const isHead = token.nonce === head.nonce;
    const isChild = token.parent === head.nonce;
    const isPrevious = token.nonce === head.parent;
    const isCousin = token.parent === head.parent && now - token.issuedAt <= 2 * windowMs;
    if (isHead && by.attempt !== undefined && by.attempt === head.attempt) {
      // A lost answer, asked for again: the same child, at any age.
      const child = this.#given.get(head.nonce + by.attempt);
      if (child) return this.#answer(session, child, now);
    } else if (isChild && !isFresh) {
      session.head = { generation: token.generation, nonce: token.nonce, parent: token.parent, at: now, attempt: by.attempt };
      const child = this.#issue(session, now);
      if (by.attempt !== undefined) this.#given.set(token.nonce + by.attempt, child);
      return this.#answer(session, child, now);
    }
    if (isFresh && (isChild || isHead || isPrevious || isCousin)) return this.#answer(session, this.#issue(session, now), now);
    session.revoked = 'token_reused';
    return { code: 'token_reused' };
  }

  #answer(session: FakeSession, token: string, now: number): Refreshed {
    session.lastSeenAt = now;
    return { session, token, generation: session.head.generation + 1 };
  }

  #issue(session: FakeSession, now: number): string {
    const { generation, nonce: parent } = session.head;
    const text = this.#name('rlt_fake_');
    this.#tokens.set(text, { session, generation: generation + 1, nonce: this.#name('n'), parent, issuedAt: now });
    return text;
  }

  #name(prefix: string): string {
    return prefix + String(++this.#count).padStart(22, '0');
  }
}
