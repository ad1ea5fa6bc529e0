/** `relatch/axios`: the pair of interceptors that people write by hand, with what they forget. */

import type { AxiosHeaders, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { AuthError } from './errors.js';
import type { Client } from './types.js';

declare module 'axios' {
  interface AxiosRequestConfig {
    /** Sends this request as it is: no access token, no refresh. */
    skipAuth?: boolean;
  }
}

/**
 * Makes an axios instance send the access token where the client's `origins` allow it. A 401 is refreshed away,
 * once for all who wait, and the request sent a second time; what comes then is final. Answers how to detach.
 *
 * The second time it passes none of your request interceptors, and its answer passes each of the others once. A
 * stream can't be sent twice: it gets a token that lives for another minute, and you its 401 as it came.
 */
export function attachAxios(instance: AxiosInstance, client: Client): () => void {
  // Without interceptors: nothing that is sent through it can loop.
  const bare = instance.create();
  const user = () => client.session?.user.id;

  /** The last look before it leaves: interceptors older than ours run after it, and may turn a request elsewhere. */
  function check(this: Ours, data: unknown, headers: AxiosHeaders): unknown {
    const isOurs = headers.get('Authorization') == `Bearer ${this.relatch?.().token}`;
    const isAllowed = client.allows(instance.getUri(this));
    if (isOurs && !isAllowed) headers.delete('Authorization');
    if (!isOurs || !isAllowed) this.relatch = undefined;
    return data;
  }

  const request = instance.interceptors.request.use(async (config: Ours) => {
    const { headers, relatch } = config;
    const old = relatch?.();
    const given = headers.get('Authorization');
    // A header of the caller's stays; one of ours is back where somebody sends an old config again.
    if (config.skipAuth || (given && given != `Bearer ${old?.token}`) || !client.allows(instance.getUri(config))) return config;
    const who = old ? old.user : user();
    const options = { ...signalOf(config), ...(isStream(config.data) && { minValidity: STREAM_SECONDS }) };
    const token = await client.getToken(options).catch((error: AuthError) => {
      // Nobody is signed in, which is for the API to judge. Anything else is no reason to go without.
      if (error.name != 'AuthError' || error.retryable) throw error;
    });
    // Who asked is gone, and his request is not another's.
    if (token && who && who != user()) throw new AuthError('signed_out');
    if (token) headers.set('Authorization', `Bearer ${token}`);
    else headers.delete('Authorization');
    const used = token && { token, user: user() };
    config.relatch = used ? () => used : undefined;
    config.transformRequest = [config.transformRequest ?? [], check].flat();
    return config;
  });

  /** The answer of the second time, or undefined where there is none. */
  async function again({ config, headers, status }: AxiosResponse): Promise<AxiosResponse | undefined> {
    const { relatch, data } = config as Ours;
    const used = relatch?.();
    const why = String(headers['www-authenticate']);
    if (status != 401 || !used || isStream(data) || (/error=/.test(why) && !/invalid_token/.test(why))) return;
    const signal = signalOf(config);
    const current = () => client.getToken(signal);
    const renewed = async () => {
      const token = await current();
      // Somebody else may have refreshed while this request was under way; or has just failed to.
      if (token != used.token) return token;
      return client.snapshot().error ? undefined : client.refresh(signal).then(current);
    };
    // An aborted call goes on to axios, which says so in its own way.
    const token = await renewed().catch(() => config.signal?.aborted && used.token);
    // Somebody else's answer is worse than none.
    if (!token || user() != used.user) return;
    config.headers.set('Authorization', `Bearer ${token}`);
    used.token = token;
    // What was sent is sent: the body has been transformed before.
    return bare.request({ ...config, transformRequest: (data: unknown) => data });
  }

  const response = instance.interceptors.response.use(
    async (response) => (await again(response)) ?? response,
    async (error) => {
      const response = error?.response && (await again(error.response));
      if (response) return response;
      throw error;
    },
  );

  return () => {
    instance.interceptors.request.eject(request);
    instance.interceptors.response.eject(response);
  };
}

/**
 * A request's config, with the token that it was sent with, and whose that is. A function goes along when axios copies
 * a config, and shows nothing when somebody logs one.
 */
type Ours = InternalAxiosRequestConfig & { relatch?: (() => { token: string; user: string | undefined }) | undefined };

function signalOf({ signal }: InternalAxiosRequestConfig): { signal?: AbortSignal } {
  return signal ? { signal: signal as AbortSignal } : {};
}

function isStream(data: unknown): boolean {
  const { pipe, getReader } = (data ?? {}) as { pipe?: unknown; getReader?: unknown };
  return !!(pipe || getReader);
}

/** How long the token of a request that can't be repeated shall live. */
const STREAM_SECONDS = 60;
