/** Access tokens of a fake server: signed with a key of its own, so that `relatch/server` and others accept them. */

export interface Signer {
  sign(claims: Record<string, unknown>): Promise<string>;
  jwks(): Promise<{ keys: JsonWebKey[] }>;
}

export function createSigner(): Signer {
  let made: Promise<CryptoKeyPair> | undefined;
  const pair = () => (made ??= crypto.subtle.generateKey(KEY, true, ['sign', 'verify']) as Promise<CryptoKeyPair>);
  return {
    async sign(claims) {
      const text = encode({ alg: 'ES256', typ: 'at+jwt', kid: KID }) + '.' + encode(claims);
      const { privateKey } = await pair();
      const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, new TextEncoder().encode(text));
      return text + '.' + base64url(String.fromCharCode(...new Uint8Array(signature)));
    },
    async jwks() {
      const jwk = await crypto.subtle.exportKey('jwk', (await pair()).publicKey);
      return { keys: [{ ...jwk, kid: KID, alg: 'ES256', use: 'sig' } as JsonWebKey] };
    },
  };
}

const KEY = { name: 'ECDSA', namedCurve: 'P-256' };
const KID = 'key_fake';

function encode(value: unknown): string {
  return base64url(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value))));
}

function base64url(bytes: string): string {
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
