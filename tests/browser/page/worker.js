/** A client without a document, in a worker or a service worker: it does what it is told by message, and answers. */

import { createClient } from 'relatch';

const auth = createClient({ url: '/auth', timeout: 1500 });

const orders = {
  state: async () => {
    const { status, session } = await auth.ready();
    return `${status} ${session?.user.email ?? ''}`;
  },
  token: () => auth.getToken(),
  ask: async () => (await auth.fetch('/api/me', { cache: 'no-store' })).status,
  generation: () => auth.session?.generation,
  refresh: async () => (await auth.refresh()).generation,
  signIn: async (input) => (await auth.signIn(input)).status,
  signOut: () => auth.signOut(),
};

addEventListener('message', async ({ data: { order, input }, ports: [port] }) => {
  try {
    port.postMessage(await orders[order](input));
  } catch (error) {
    port.postMessage(`failed: ${error.code ?? error}`);
  }
});
