/** What a client knows, and what each event makes of it: pure functions from a state to the next, and its effects. */

import type { components } from './api.gen.js';
import { AuthError } from './errors.js';
import type { ClientEventMap, Session, Snapshot, User } from './types.js';

export type TokenAnswer = components['schemas']['TokenAnswer'];

/** An access token and what came with it: another object for every answer. Instants are of the environment's clock. */
export interface Grant {
  readonly token: string;
  readonly session: Session;
  /** When to get the next one, while this one still lives. */
  readonly refreshAt: number;
  readonly diesAt: number;
  readonly lifeMs: number;
}

export interface State {
  /** Counts sign-ins, other sessions and ends: what was asked in another epoch is thrown away. */
  readonly epoch: number;
  readonly grant: Grant | null;
  readonly snapshot: Snapshot;
  /** Since the last answer. */
  readonly failures: number;
  /** Nothing is asked unbidden before. */
  readonly retryAt: number;
  /** Signed in, and no refresh has shown yet that the browser keeps the cookie. */
  readonly isUnproven: boolean;
}

export type Effect =
  /** The snapshot is another one. */
  | 'change'
  /** The answer is older than what was seen: the jar may hold a dead branch, so refresh once more, soon. */
  | 'heal'
  /** A session lives that its owner has ended: end it again. */
  | 'logout'
  /** To be told to the app, with the snapshot. */
  | keyof ClientEventMap;

export type Step = readonly [State, readonly (Effect | false)[]];

export const START: State = {
  epoch: 0,
  grant: null,
  snapshot: { status: 'loading', session: null, error: null },
  failures: 0,
  retryAt: 0,
  isUnproven: false,
};

/** Somebody is about to sign in: no refresh may overtake it, nor put its cookie over the new one. */
export function signingIn(state: State): Step {
  return [{ ...state, epoch: state.epoch + 1 }, []];
}

/**
 * A token has come: by this client's refresh, from another tab, or with a new session.
 * @param seen The newest `<session id>.<generation>` that any tab has seen.
 * @param over The session that its owner signed out of last.
 */
export function granted(state: State, answer: TokenAnswer, isNew: boolean, now: number, seen?: string | null, over?: string | null): Step {
  const { epoch, grant, snapshot } = state;
  const { session_id: id, expires_in: life } = answer;
  const user = answer.user as User;
  const session: Session = { id, generation: answer.generation, user, expiresAt: answer.session_expires_at };
  if (id == over) return [state, ['logout']];
  if (isOlder(markOf(session), seen)) return [state, ['heal']];
  return [
    {
      ...START,
      epoch: isNew || grant?.session.id != id ? epoch + 1 : epoch,
      grant: {
        token: answer.access_token,
        session,
        refreshAt: now + 1000 * (answer.refresh_in || 1),
        diesAt: now + 1000 * life,
        lifeMs: 1000 * life,
      },
      snapshot: { status: 'authenticated', session, error: null },
      isUnproven: isNew,
    },
    ['change', (grant ? grant.session.user.id != user.id : isNew || snapshot.status != 'loading') && 'signed_in', 'token'],
  ];
}

/** The session is over, or there never was one: the server said so, or its owner (then there is no error). */
export function ended({ epoch, grant, snapshot, isUnproven }: State, error: AuthError | null = null): Step {
  // "No cookie came" is how an anonymous visit begins, how a logout elsewhere looks, and what blocked cookies do.
  if (error?.code == 'signed_out') error = isUnproven ? new AuthError('cookie_blocked') : null;
  const isNews = error || snapshot.status != 'unauthenticated';
  return [
    { ...START, epoch: epoch + 1, snapshot: isNews ? { status: 'unauthenticated', session: null, error } : snapshot },
    isNews ? ['change', error ? 'expired' : !!grant && 'signed_out'] : [],
  ];
}

/** A refresh could not be done; nothing was decided. */
export function failed(state: State, error: AuthError, now: number, random: number): Step {
  const { snapshot, failures } = state;
  if (snapshot.status == 'unauthenticated') return [state, []];
  // No two clients come back at the same time, and none before the server asked them to.
  const seconds = Math.max(Math.min(5 * 2 ** failures, 40), error.retryAfter ?? 0) * (1 + random / 2);
  return [
    { ...state, snapshot: { ...snapshot, error }, failures: failures + 1, retryAt: now + 1000 * seconds },
    ['change', 'refresh_failed'],
  ];
}

/** The network is back: no reason to wait, unless the server asked for it. */
export function online(state: State): Step {
  return [state.snapshot.error?.retryAfter ? state : { ...state, retryAt: 0 }, []];
}

/**
 * When to refresh unbidden.
 * @param hint The readable cookie `<session id>.<generation>`, where it shall be considered and can be seen.
 */
export function dueAt({ grant, snapshot, retryAt, failures }: State, hint?: string): number {
  const { session, status } = snapshot;
  // Somebody signed in or out elsewhere, or a late answer put an older token into the jar.
  const disagrees = hint != undefined && (idIn(hint) != (session?.id ?? '') || (!!session && isOlder(hint, markOf(session))));
  const isDue = disagrees || failures || status == 'loading';
  return Math.max(retryAt, isDue ? 0 : grant?.refreshAt ?? Infinity);
}

/** The session of a `<session id>.<generation>`. */
export function idIn(mark: string): string {
  return mark.split('.')[0] as string;
}

export function markOf(session: Session): string {
  return session.id + '.' + session.generation;
}

function isOlder(mark: string, than?: string | null): boolean {
  const [id, generation] = mark.split('.');
  const [otherId, other] = (than ?? '').split('.');
  return id == otherId && +generation! < +other!;
}
