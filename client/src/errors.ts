/** The one error of this library, and what a server's refusal is called in it. */

import type { AuthErrorCode, Problem } from './types.js';

/** An error of this library. An aborted call rejects with the reason of its signal, as `fetch` does. */
export class AuthError extends Error {
  declare readonly name: 'AuthError';
  declare readonly code: AuthErrorCode;
  /** Whether the same call may work later, the session being kept. */
  declare readonly retryable: boolean;
  /** The HTTP status, where there was an answer. */
  declare readonly status?: number;
  /** Seconds the server asked to wait. */
  declare readonly retryAfter?: number;
  /** The problem that the server answered (RFC 9457), where it did. */
  declare readonly problem?: Problem;

  constructor(code: AuthErrorCode, circumstances?: { status?: number; retryAfter?: number; problem?: Problem; cause?: unknown }) {
    super(circumstances?.problem?.detail ?? code);
    Object.assign(this, circumstances, { name: 'AuthError', code, retryable: /^(n.t?work|timeout|offline|rate|server)/.test(code) });
  }
}

/** The error that an answer means. One that is no problem of ours (a proxy's page, say) decides nothing. */
export function errorOf({ status, headers }: Response, body: unknown): AuthError {
  const problem = body as Problem | undefined;
  const retryAfter = Number(headers.get('retry-after')) || problem?.retry_after;
  const slug = status < 500 && (problem?.code ?? (problem as { error?: string } | undefined)?.error);
  return new AuthError(
    status == 429 ? 'rate_limited'
    : !slug ? 'server'
    : SAME.test(slug) ? (slug as AuthErrorCode)
    : (OTHERS[slug] ?? (status == 403 ? 'forbidden' : 'invalid_request')),
    { status, ...(retryAfter && { retryAfter }), ...(problem?.code && { problem }) },
  );
}

/** Whether a refresh that failed so has ended the session. Every other failure keeps it. */
export function isFinal(error: AuthError): boolean {
  return /^(session|reuse|device|signed)/.test(error.code);
}

/** Codes of the server that keep their names, by what tells them from the others. */
const SAME = /^(invalid_[cm]|email_|wrong_|code_|valid|mfa|step_up|session_[er]|device|not_f)/;

/** Those that don't. */
const OTHERS: Record<string, AuthErrorCode> = {
  missing_token: 'signed_out',
  invalid_token: 'session_expired',
  token_expired: 'session_expired',
  token_revoked: 'session_revoked',
  token_reused: 'reuse_detected',
  invalid_grant: 'session_revoked',
};
