/** Where somebody is logged in, and how to end that: one session, or all. */
import { type DeviceSession, listSessions, revokeSession, signOutEverywhere, signOutOthers } from 'relatch';
import { useEffect, useState } from 'react';
import { auth, explain } from '../auth.ts';

export function Devices() {
  const [sessions, setSessions] = useState<readonly DeviceSession[]>();
  const [message, setMessage] = useState('');

  async function run(change?: () => Promise<void>) {
    try {
      await change?.();
      if (auth.session) setSessions(await listSessions(auth));
      setMessage('');
    } catch (error) {
      setMessage(explain(error));
    }
  }
  useEffect(() => void run(), []);

  return (
    <>
      <p role="alert">{message}</p>
      {!sessions && !message && <p role="status">One moment …</p>}
      <ul className="devices">
        {sessions?.map((session) => (
          <li key={session.id}>
            <div>
              <strong>{nameOf(session)}</strong> {session.current && <em>this device</em>}
              <br />
              Last seen <time dateTime={session.last_seen_at}>{new Date(session.last_seen_at).toLocaleString()}</time>
            </div>
            <button
              type="button"
              aria-label={`Log out ${session.current ? 'this device' : nameOf(session)}`}
              onClick={() => void run(() => revokeSession(auth, session.id))}
            >
              Log out
            </button>
          </li>
        ))}
      </ul>
      <p className="buttons">
        <button type="button" onClick={() => void run(() => signOutOthers(auth))}>Log out everywhere else</button>
        <button type="button" onClick={() => void run(() => signOutEverywhere(auth))}>Log out everywhere</button>
      </p>
    </>
  );
}

function nameOf({ device_name: name, user_agent: agent }: DeviceSession): string {
  const browser = /Edg|Firefox|Chrome|Safari/.exec(agent ?? '')?.[0]?.replace('Edg', 'Edge');
  const system = /Android|iPhone|iPad|Windows|Mac|Linux/.exec(agent ?? '')?.[0];
  return name ?? ([browser, system].filter(Boolean).join(' on ') || 'Unknown device');
}
