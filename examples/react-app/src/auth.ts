/** The one client of the app, made outside of React, and what it says in words. */
import { AuthError, createClient } from 'relatch';
import { logged, logTokens } from './log.ts';

const API_URL: string = import.meta.env['VITE_API_URL'];

export const auth = createClient({
  url: import.meta.env['VITE_AUTH_URL'],
  // Nobody else is sent the access token.
  origins: [new URL(API_URL, location.href).origin],
  // Only for the log panel: leave this out.
  fetch: logged(fetch),
});
logTokens(auth);

/** An address of the API. */
export function apiUrl(path: string): URL {
  return new URL(API_URL + path, location.href);
}

/** A sentence for people. */
export function explain(error: unknown): string {
  if (!(error instanceof AuthError)) return 'The API can’t be reached.';
  switch (error.code) {
    case 'network':
    case 'timeout':
    case 'server':
      return 'The session server can’t be reached.';
    case 'offline':
      return 'You are offline.';
    case 'rate_limited':
      return `Too many attempts; try again in ${error.retryAfter ?? 'some'} seconds.`;
    case 'validation_failed':
      return error.problem?.errors?.map(({ detail }) => detail).join(' ') ?? error.message;
    default:
      return error.problem ? `${error.problem.title}.` : error.message;
  }
}
