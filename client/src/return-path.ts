/** Where to go back to after a login: a path of this origin, and never anywhere else. */

/** `value` where it is a path of this origin, else `/`. For the page that reads `?return_to=…`. */
export function returnPath(value: string | null | undefined): string {
  return value && PATH.test(value) ? value : '/';
}

/**
 * Browsers take `//host` and `/\host` for another host, drop tabs and line breaks before they look, and make
 * `//host` of `/.//host`: so no empty segment, no backslash and no white space.
 */
const PATH = /^(?=\/)(\/[^/\\?#\s]+)*\/?([?#][^\\\s]*)?$/;
