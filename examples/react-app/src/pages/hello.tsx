/** Asks the protected API. An expired token is never seen here: at worst the log shows a 401 before the answer. */
import { useState } from 'react';
import { apiUrl, auth, explain } from '../auth.ts';
import { breakTokenFor } from '../log.ts';

export function Hello() {
  const [answer, setAnswer] = useState('');

  async function call(isBroken: boolean) {
    const url = apiUrl('/hello');
    if (isBroken) breakTokenFor(url);
    setAnswer('…');
    try {
      const response = await auth.fetch(url);
      setAnswer(response.ok ? JSON.stringify(await response.json()) : `The API answered ${response.status}.`);
    } catch (error) {
      setAnswer(explain(error));
    }
  }

  return (
    <>
      <p>
        Leave this page open for longer than the token lives, or send one that nobody takes, as if it had expired. The
        library refreshes once and asks again.
      </p>
      <p className="buttons">
        <button type="button" onClick={() => void call(false)}>Call the API</button>
        <button type="button" onClick={() => void call(true)}>Call it with a broken token</button>
      </p>
      <p>Answer: <output>{answer || 'none yet'}</output></p>
    </>
  );
}
