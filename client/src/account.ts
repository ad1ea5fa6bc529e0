/** What account pages need: functions of a client, so that only pages that import them carry them. */

import type { Client, DeviceSession, Session, SignUpResult } from './types.js';

/** A new account, and its first session where the server wants no proof of the address before. */
export async function signUp(
  client: Client,
  input: { email: string; password: string; name?: string; deviceName?: string },
): Promise<SignUpResult> {
  const session = await client.enter('/signup', input);
  return session ? { status: 'signed_in', session } : { status: 'check_mail' };
}

/** The second step of a sign-in that was answered `mfa_required`: a code, by one of its `methods`. */
export function signInWithCode(
  client: Client,
  input: { mfaToken: string; method: 'totp' | 'recovery_code'; code: string },
): Promise<Session> {
  const body = { mfa_token: input.mfaToken, method: input.method, code: input.code };
  return client.enter('/mfa', body) as Promise<Session>;
}

/** Every other session of the user ends, and this one is a new one. `code` where they have a second factor. */
export function changePassword(
  client: Client,
  input: { currentPassword: string; newPassword: string; code?: string },
): Promise<Session> {
  const body = { current_password: input.currentPassword, new_password: input.newPassword, code: input.code };
  return client.enter('/password', body, true) as Promise<Session>;
}

/** The devices on which the user is signed in. */
export async function listSessions(client: Client): Promise<DeviceSession[]> {
  return (await client.request<{ sessions: DeviceSession[] }>('/sessions', undefined, 'GET')).sessions;
}

/** Ends one of them; the client's own as `signOut` does. */
export async function revokeSession(client: Client, id: string): Promise<void> {
  if (id == client.session?.id) return client.signOut();
  await client.request(`/sessions/${encodeURIComponent(id)}`, undefined, 'DELETE');
}

/** Ends every session of the user but this one. */
export async function signOutOthers(client: Client): Promise<void> {
  await client.request('/logout-all', { keep_current: true });
}

/** Ends every session of the user. Local state is gone at once; rejects where the server could not be told. */
export async function signOutEverywhere(client: Client): Promise<void> {
  let all: Promise<unknown> | undefined;
  try {
    await client.getToken();
    // Takes its token before that is gone.
    all = client.request('/logout-all', {});
  } finally {
    await client.signOut({ after: all });
  }
  await all;
}
