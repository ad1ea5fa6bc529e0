/** The frame around every page: who is here, where to go, and the log. */
import { SessionExpired, SignedIn, SignedOut, useClient } from 'relatch/react';
import { useEffect, type ComponentType } from 'react';
import { LogPanel } from './log-panel.tsx';
import { Devices } from './pages/devices.tsx';
import { Hello } from './pages/hello.tsx';
import { LogIn, SignUp } from './pages/log-in.tsx';
import { Protected } from './protected.tsx';
import { takeClicks, useAddress } from './router.ts';

interface Page {
  readonly title: string;
  readonly Content: ComponentType;
  /** Who may see it: everybody, whoever is logged in, or it is how one gets in. */
  readonly for: 'all' | 'signed_in' | 'entrance';
}

const PAGES: Record<string, Page> = {
  '/': { title: 'Welcome', Content: Welcome, for: 'all' },
  '/hello': { title: 'Hello', Content: Hello, for: 'signed_in' },
  '/devices': { title: 'Your devices', Content: Devices, for: 'signed_in' },
  '/login': { title: 'Log in', Content: LogIn, for: 'entrance' },
  '/signup': { title: 'Sign up', Content: SignUp, for: 'entrance' },
};
const NOWHERE: Page = { title: 'There is no such page', Content: () => <a href="/">Go to the start</a>, for: 'all' };

export function App() {
  const { pathname } = useAddress();
  const { title, Content, for: audience } = PAGES[pathname] ?? NOWHERE;
  useEffect(takeClicks, []);
  return (
    <>
      <title>{`${title} · Relatch`}</title>
      <header>
        <nav aria-label="Pages">
          <a href="/" aria-current={pathname === '/' ? 'page' : false}>Start</a>
          <a href="/hello" aria-current={pathname === '/hello' ? 'page' : false}>Hello</a>
          <a href="/devices" aria-current={pathname === '/devices' ? 'page' : false}>Devices</a>
        </nav>
        <Visitor />
      </header>
      <div className="columns">
        <main>
          <h1 tabIndex={-1}>{title}</h1>
          {audience !== 'entrance' && <SessionExpired loginUrl="/login" />}
          {audience === 'signed_in' ? <Protected><Content /></Protected> : <Content />}
        </main>
        <LogPanel />
      </div>
    </>
  );
}

function Visitor() {
  const client = useClient();
  return (
    <div className="visitor">
      <SignedIn>
        {({ user }) => (
          <>
            <span>{user.email}</span>
            <button type="button" onClick={() => void client.signOut()}>Log out</button>
          </>
        )}
      </SignedIn>
      <SignedOut>
        <a href="/login">Log in</a>
        <a href="/signup">Sign up</a>
      </SignedOut>
    </div>
  );
}

function Welcome() {
  return (
    <>
      <p>
        The access token of this app lives for minutes and is kept in memory; what renews it is in a cookie that no
        script can read. The log shows when that happens.
      </p>
      <p><a href="/hello">Call the API</a>, or look at <a href="/devices">where you are logged in</a>.</p>
    </>
  );
}
