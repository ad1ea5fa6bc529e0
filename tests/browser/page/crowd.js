/** Many tabs in one window: frames of one origin share cookies, storage, locks and channels as tabs do. */

const count = Number(new URLSearchParams(location.search).get('tabs'));
for (let i = 0; i < count; i++) document.body.append(Object.assign(document.createElement('iframe'), { src: '/app' }));

const each = (use) => Promise.all([...document.querySelectorAll('iframe')].map((frame) => use(frame.contentWindow)));

globalThis.crowd = {
  /** Opens every tab anew, all at once. */
  restore: () =>
    each(
      (tab) =>
        new Promise((done) => {
          tab.frameElement.addEventListener('load', done, { once: true });
          tab.location.reload();
        }),
    ),
  states: (waitMs) => each((tab) => tab.tab.state(waitMs)),
  ask: (waitMs) => each((tab) => tab.tab.ask(waitMs)),
  statuses: () => each((tab) => tab.tab.auth.status),
  heard: () => each((tab) => tab.tab.heard),
};
