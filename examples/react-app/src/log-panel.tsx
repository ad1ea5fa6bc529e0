/** The log of the network, the newest below. */
import { useEffect, useRef } from 'react';
import { useLog, type Entry } from './log.ts';

export function LogPanel() {
  const entries = useLog();
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [entries]);
  return (
    <section className="log" aria-labelledby="log-title">
      <h2 id="log-title">Log</h2>
      {!entries.length && <p>Nothing was sent yet.</p>}
      <ol ref={list} tabIndex={0} aria-labelledby="log-title">
        {entries.map((entry) => <Line key={entry.id} {...entry} />)}
      </ol>
    </section>
  );
}

function Line({ at, kind, text, generation, outcome = kind === 'token' ? '' : '…', isRefused }: Entry) {
  return (
    <li data-kind={kind} data-refused={isRefused}>
      <time dateTime={at.toISOString()}>{at.toLocaleTimeString('en-GB')}</time>
      <span className="kind">{kind}</span>
      <span className="text">
        {text}
        {generation !== null && <span className="generation"> generation {generation}</span>}
      </span>
      <span className="outcome">{outcome}</span>
    </li>
  );
}
