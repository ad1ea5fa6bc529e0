/** For pages that only make sense to somebody who is logged in. What protects the data is the API. */
import { returnPath, useSession } from 'relatch/react';
import type { ReactNode } from 'react';
import { explain } from './auth.ts';
import { useAddress } from './router.ts';

export function Protected({ children }: { children: ReactNode }) {
  const { status, error } = useSession();
  const { pathname, search } = useAddress();
  if (status === 'authenticated') return children;
  if (status === 'loading') {
    return <p role="status">{error ? `${explain(error)} Trying again …` : 'One moment …'}</p>;
  }
  // Why a session has ended is said above the page.
  if (error) return null;
  const back = encodeURIComponent(returnPath(pathname + search));
  return <p>This page is for people who are logged in. <a href={`/login?return_to=${back}`}>Log in</a></p>;
}
