/** How the refresh token travels, and what is kept beside it until an attempt to refresh has its answer. */

import type { SharedStorage } from './environment.js';
import { AuthError } from './errors.js';
import type { TokenAnswer } from './machine.js';
import type { TokenStorage } from './types.js';

/** One of two: cookies, unless `createClient` is given another. */
export interface Transport {
  readonly isInCookies: boolean;
  /** For every request of the library's own. */
  readonly init: RequestInit;
  /** What a refresh sends, and the id of the attempt, which is kept from before the request. `goOn` throws when it is too late. */
  begin(goOn: () => void): Begun | Promise<Begun>;
  /** The attempt has its answer, or was refused. What came is kept before it is used. */
  end(attempt: string, answer?: TokenAnswer): unknown;
  /** Forgets the token. Answers what a logout sends; nothing where there is nobody to log out. */
  forget(): object | undefined | Promise<object | undefined>;
}

type Begun = readonly [body: object, attempt: string];

/** Makes one. `within` ends after the client's `timeout`, whatever `run` does. */
export type TransportMaker = (
  key: string,
  newId: () => string,
  within: <T>(run: () => Promise<T>) => Promise<T>,
) => Transport;

/** The refresh token is the browser's; the attempt is kept where all tabs see it. */
export function cookieTransport(home: SharedStorage, key: string, newId: () => string): Transport {
  return {
    isInCookies: true,
    init: { credentials: 'include' },
    begin() {
      const attempt = home.get(key) || newId();
      home.set(key, attempt);
      return [{}, attempt];
    },
    end(attempt) {
      // Another tab may have begun an attempt of its own.
      if (home.get(key) == attempt) home.remove(key);
    },
    forget: () => ({}),
  };
}

/** For `createClient({ transport })` where there is no browser: the refresh token is kept in `storage`, and with it the attempt. */
export function bodyTransport(storage: TokenStorage): TransportMaker {
  return (key, newId, within) => {
    const kept = (verb: 'get' | 'set' | 'remove', value = '') => within(async () => storage[verb](key, value));
    const read = async () => ((await kept('get')) ?? '').split(' ');
    return {
      isInCookies: false,
      init: {},
      async begin(goOn) {
        const [token, old] = await read();
        goOn();
        if (!token) throw new AuthError('signed_out');
        const attempt = old ?? newId();
        if (!old) await kept('set', `${token} ${attempt}`);
        return [{ refresh_token: token }, attempt];
      },
      async end(attempt, answer) {
        if (answer && !answer.refresh_token) throw new AuthError('server');
        if (answer) await kept('set', answer.refresh_token);
        else if ((await read())[1] == attempt) await kept('remove');
      },
      async forget() {
        const [token] = await read();
        await kept('remove');
        return token ? { refresh_token: token } : undefined;
      },
    };
  };
}
