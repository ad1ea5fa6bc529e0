/** What a browser does between a link and a page: cookies by path and site, redirects, and `meta refresh`. */

type Serve = (request: Request) => Response | Promise<Response>;
type Cookie = { value: string; path: string; strict: boolean; isHidden: boolean; isLasting: boolean };

export interface Visit {
  status: number;
  /** The path where it ended. */
  at: string;
  text: string;
  headers: Headers;
  /** Every path on the way. */
  way: string[];
}

export class Navigator {
  readonly jar = new Map<string, Cookie>();
  /** Cookies that this browser refuses. */
  readonly drops = new Set<string>();

  constructor(
    readonly origin: string,
    readonly serve: Serve,
  ) {}

  /** Follows a link, or sends a form. `site` is where from; an answer to `lost` never arrives. */
  async go(path: string, options: { site?: string; method?: string; body?: string; lost?: string } = {}): Promise<Visit> {
    let { site = 'same-origin' } = options;
    const { method = 'GET' } = options;
    const way: string[] = [];
    for (let at = path, steps = 0; steps < 12; steps += 1) {
      way.push(at.split('?')[0] ?? '');
      const headers: Record<string, string> = { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate', cookie: this.cookie(at, site) };
      if (method === 'POST') headers['origin'] = site === 'same-origin' ? this.origin : 'https://other.test';
      const init = { method, headers, ...(options.body ? { body: options.body } : {}) };
      const answer = await this.serve(new Request(this.origin + at, init));
      if (options.lost && at.startsWith(options.lost)) throw new TypeError('the answer was lost');
      for (const cookie of answer.headers.getSetCookie()) this.keep(cookie);
      const location = answer.headers.get('location');
      const text = await answer.text();
      const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
      if (!location && !refresh) return { status: answer.status, at, text, headers: answer.headers, way };
      // A page that refreshes itself is where the next request comes from; a redirect keeps its first origin.
      if (refresh) site = 'same-origin';
      const next = new URL(location ?? refresh ?? '', this.origin + at);
      if (next.origin !== this.origin) throw new Error(`led away to ${next.href}`);
      at = next.pathname + next.search;
    }
    throw new Error(`too many redirects: ${way.join(' ')}`);
  }

  /** What a page's own `fetch` does. An answer that is `lost` never arrives. */
  async fetch(path: string, { lost, ...init }: RequestInit & { lost?: boolean } = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('sec-fetch-site', 'same-origin');
    headers.set('sec-fetch-mode', 'cors');
    headers.set('cookie', this.cookie(path, 'same-origin'));
    const answer = await this.serve(new Request(this.origin + path, { ...init, headers }));
    if (lost) throw new TypeError('the answer was lost');
    for (const cookie of answer.headers.getSetCookie()) this.keep(cookie);
    return answer;
  }

  cookie(path: string, site: string): string {
    const isUnder = (cookie: Cookie) => cookie.path === '/' || new RegExp(`^${cookie.path}(/|$)`).test(path.split('?')[0] ?? '');
    const sent = [...this.jar].filter(([, cookie]) => isUnder(cookie) && !(cookie.strict && site === 'cross-site'));
    return sent.map(([name, { value }]) => `${name}=${value}`).join('; ');
  }

  /** What a page's script reads of a cookie. */
  read(name: string): string | undefined {
    const cookie = this.jar.get(name);
    return cookie?.isHidden ? undefined : cookie?.value;
  }

  /** Closes the browser: what has no age of its own is gone. */
  quit(): void {
    for (const [name, { isLasting }] of this.jar) if (!isLasting) this.jar.delete(name);
  }

  keep(text: string): void {
    const [pair = '', ...attributes] = text.split('; ');
    const [name = '', value = ''] = pair.split('=');
    const path = attributes.find((one) => one.startsWith('Path='))?.slice(5) ?? '/';
    if (name.startsWith('__Host-') && (path !== '/' || !attributes.includes('Secure'))) return;
    if (this.drops.has(name)) return;
    if (attributes.includes('Max-Age=0')) this.jar.delete(name);
    else {
      const [strict, isHidden] = ['SameSite=Strict', 'HttpOnly'].map((one) => attributes.includes(one)) as [boolean, boolean];
      this.jar.set(name, { value, path, strict, isHidden, isLasting: text.includes('; Max-Age=') });
    }
  }
}
