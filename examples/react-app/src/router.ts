/** Where the app is. Links are plain; a click on one of ours changes the address without loading the page anew. */
import { useSyncExternalStore } from 'react';

export function useAddress(): URL {
  return new URL(useSyncExternalStore(subscribe, () => location.href));
}

/** Goes to a path of this app. */
export function navigate(path: string): void {
  history.pushState(null, '', path);
  dispatchEvent(new PopStateEvent('popstate'));
  // Whoever listens to the page hears that it is another one.
  requestAnimationFrame(() => document.querySelector('h1')?.focus());
}

/** Takes the clicks on links within the app. Answers how to stop. */
export function takeClicks(): () => void {
  const take = (event: MouseEvent) => {
    const link = event.target instanceof Element && event.target.closest('a');
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.origin !== location.origin || link.target) return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  };
  addEventListener('click', take);
  return () => removeEventListener('click', take);
}

function subscribe(listener: () => void): () => void {
  addEventListener('popstate', listener);
  return () => removeEventListener('popstate', listener);
}
