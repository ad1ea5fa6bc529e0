/** The machine, event by event, over every kind of state. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AuthError, errorOf, isFinal } from '../src/errors.js';
import { clock } from '../src/environment.js';
import { dueAt, ended, failed, granted, idIn, online, signingIn, START, type State, type TokenAnswer } from '../src/machine.js';
import { html, problem } from './support/world.js';

const answer = (generation: number, more: Partial<TokenAnswer> = {}): TokenAnswer => ({
  access_token: `at-${generation}`,
  token_type: 'Bearer',
  expires_in: 900,
  refresh_in: 720,
  session_id: 'ses_a',
  session_expires_at: '2027-01-01T00:00:00Z',
  generation,
  user: { id: 'usr_a', email: 'a@example.com', email_verified: true, name: null },
  ...more,
});
const bob = { id: 'usr_b', email: 'b@example.com', email_verified: true, name: null };

const [signedIn] = granted(START, answer(1), true, 0);
const [refreshed] = granted(signedIn, answer(2), false, 1000, 'ses_a.1');
const [gone] = ended(refreshed);
const [anonymous] = ended(START, new AuthError('signed_out'));
const [troubled] = failed(refreshed, new AuthError('network'), 5000, 0);
const states: Record<string, State> = { START, signedIn, refreshed, gone, anonymous, troubled };
const newsOf = (step: readonly [State, readonly unknown[]]) => step[1].filter(Boolean);

describe('granted', () => {
  for (const [name, state] of Object.entries(states)) {
    test(`a new session counts from ${name}, and starts an epoch`, () => {
      const [next] = granted(state, answer(1, { session_id: 'ses_b' }), true, 50);
      assert.equal(next.snapshot.status, 'authenticated');
      assert.equal(next.epoch, state.epoch + 1);
      assert.deepEqual([next.failures, next.retryAt, next.isUnproven], [0, 0, true]);
      assert.deepEqual([next.grant?.refreshAt, next.grant?.diesAt], [720_050, 900_050]);
    });
    test(`R16 from ${name}, a session that its owner has ended is ended again and never shown`, () => {
      const [next, news] = granted(state, answer(7), false, 0, null, 'ses_a');
      assert.equal(next, state);
      assert.deepEqual(news, ['logout']);
    });
    test(`R12 from ${name}, an older answer changes nothing and asks for one more`, () => {
      const [next, news] = granted(state, answer(3), false, 0, 'ses_a.4');
      assert.equal(next, state);
      assert.deepEqual(news, ['heal']);
    });
    for (const seen of ['ses_a.3', 'ses_a.2', 'ses_b.9', '', null]) {
      test(`from ${name}, generation 3 counts where ${String(seen)} was seen`, () => {
        const [next] = granted(state, answer(3), false, 0, seen);
        assert.equal(next.grant?.token, 'at-3');
        assert.equal(next.epoch, state.epoch + (state.grant ? 0 : 1));
        assert.equal(next.isUnproven, false);
      });
    }
  }
  test('the token of another session starts an epoch, whoever has it', () => {
    assert.equal(granted(refreshed, answer(1, { session_id: 'ses_b' }), false, 0)[0].epoch, refreshed.epoch + 1);
  });
  test('generations are numbers, not text', () => {
    assert.deepEqual(granted(START, answer(9), false, 0, 'ses_a.10')[1], ['heal']);
    assert.notDeepEqual(granted(START, answer(10), false, 0, 'ses_a.9')[1], ['heal']);
  });
  const table: [string, State, TokenAnswer, boolean, boolean][] = [
    ['a restored session is nobody signing in', START, answer(2), false, false],
    ['a sign-in from the start', START, answer(1), true, true],
    ['a sign-in after a sign-out', gone, answer(1, { session_id: 'ses_b' }), true, true],
    ['a sign-in in another tab', anonymous, answer(1), false, true],
    ['a refresh', refreshed, answer(3), false, false],
    ['another user in the jar', refreshed, answer(3, { session_id: 'ses_b', user: bob }), false, true],
    ['a changed password: the same user', refreshed, answer(1, { session_id: 'ses_b' }), true, false],
  ];
  for (const [name, state, given, isNew, isArrival] of table) {
    test(`signed_in is${isArrival ? '' : ' not'} told of: ${name}`, () => {
      const news = newsOf(granted(state, given, isNew, 0));
      assert.deepEqual(news, isArrival ? ['change', 'signed_in', 'token'] : ['change', 'token']);
    });
  }
  test('a refresh_in of nothing does not spin', () => {
    assert.equal(granted(START, answer(1, { refresh_in: 0 }), false, 0)[0].grant?.refreshAt, 1000);
  });
});

describe('ended', () => {
  const table: [string, State, AuthError | undefined, string | null, string[]][] = [
    ['by its owner', refreshed, undefined, null, ['change', 'signed_out']],
    ['by its owner, in trouble', troubled, undefined, null, ['change', 'signed_out']],
    ['by the server', refreshed, new AuthError('session_revoked'), 'session_revoked', ['change', 'expired']],
    ['before it was known', START, new AuthError('session_expired'), 'session_expired', ['change', 'expired']],
    ['anonymous from the start', START, new AuthError('signed_out'), null, ['change']],
    ['no cookie any more: signed out elsewhere', refreshed, new AuthError('signed_out'), null, ['change', 'signed_out']],
    ['R14 no cookie after a sign-in: it was never kept', signedIn, new AuthError('signed_out'), 'cookie_blocked', ['change', 'expired']],
    ['twice', gone, undefined, null, []],
    ['nobody, asked again', anonymous, new AuthError('signed_out'), null, []],
  ];
  for (const [name, state, error, code, news] of table) {
    test(`${name}: ${code ?? 'no error'}`, () => {
      const step = ended(state, error);
      const [{ snapshot, grant, epoch, retryAt }] = step;
      assert.equal(snapshot.status, 'unauthenticated');
      assert.equal(snapshot.error?.code ?? null, code);
      assert.deepEqual([grant, epoch, retryAt], [null, state.epoch + 1, 0]);
      assert.deepEqual(newsOf(step), news);
      if (!news.length) assert.equal(snapshot, state.snapshot);
    });
  }
});

describe('failed', () => {
  for (const name of ['START', 'signedIn', 'refreshed', 'troubled'] as const) {
    test(`R9 ${name} is kept, says why, and is tried again`, () => {
      const state = states[name]!;
      const error = new AuthError('server', { status: 503 });
      const step = failed(state, error, 1000, 0.5);
      assert.equal(step[0].snapshot.status, state.snapshot.status);
      assert.equal(step[0].snapshot.session, state.snapshot.session);
      assert.equal(step[0].snapshot.error, error);
      assert.equal(step[0].epoch, state.epoch);
      assert.equal(dueAt(step[0]), step[0].retryAt);
      assert.deepEqual(newsOf(step), ['change', 'refresh_failed']);
    });
  }
  test('nobody has nothing to lose', () => {
    assert.deepEqual(failed(gone, new AuthError('network'), 0, 0), [gone, []]);
  });
  test('the pauses grow from 5 seconds to a minute, with jitter', () => {
    const pauses = (random: number) => {
      let state = refreshed;
      return Array.from({ length: 6 }, () => {
        [state] = failed(state, new AuthError('network'), 0, random);
        return state.retryAt / 1000;
      });
    };
    assert.deepEqual(pauses(0), [5, 10, 20, 40, 40, 40]);
    assert.deepEqual(pauses(1), [7.5, 15, 30, 60, 60, 60]);
  });
  test('never before Retry-After, and sooner where the network comes back without one', () => {
    const [limited] = failed(refreshed, new AuthError('rate_limited', { retryAfter: 90 }), 0, 0);
    assert.equal(limited.retryAt, 90_000);
    assert.equal(online(limited)[0].retryAt, 90_000);
    assert.equal(online(troubled)[0].retryAt, 0);
  });
});

test('who begins to sign in starts an epoch and keeps all else', () => {
  for (const state of Object.values(states)) {
    assert.deepEqual(signingIn(state), [{ ...state, epoch: state.epoch + 1 }, []]);
  }
});

describe('dueAt', () => {
  const table: [string, State, string | undefined, number][] = [
    ['at the start, at once', START, undefined, 0],
    ['at the time that the server names', refreshed, undefined, 721_000],
    ['a hint that agrees', refreshed, 'ses_a.2', 721_000],
    ['a newer hint: another tab has refreshed', refreshed, 'ses_a.3', 721_000],
    ['an older hint: a late answer is in the jar', refreshed, 'ses_a.1', 0],
    ['the hint of another session', refreshed, 'ses_b.1', 0],
    ['no hint any more', refreshed, '', 0],
    ['nobody is here', gone, undefined, Infinity],
    ['nobody is here, says the hint too', gone, '', Infinity],
    ['somebody signed in elsewhere', gone, 'ses_b.1', 0],
    ['not before the pause is over', troubled, 'ses_b.1', 10_000],
  ];
  for (const [name, state, hint, at] of table) test(name, () => assert.equal(dueAt(state, hint), at));
});

test('the session of a hint', () => {
  assert.deepEqual(['ses_a.1', 'ses_a', ''].map(idIn), ['ses_a', 'ses_a', '']);
});

describe('clock', () => {
  const at = { steady: 0, wall: 1_000_000 };
  const now = () => clock(() => at.steady, () => at.wall);
  test('R6 goes on while the steady clock sleeps', () => {
    const read = now();
    const before = read();
    at.wall += 3_600_000;
    assert.equal(read() - before, 3_600_000);
    at.steady += 500;
    at.wall += 500;
    assert.equal(read() - before, 3_600_500);
  });
  test('R7 never goes back when the wall clock does, and sleeps no more for it', () => {
    const read = now();
    const before = read();
    at.wall -= 86_400_000;
    at.steady += 10;
    assert.equal(read() - before, 10);
    at.wall += 60_000;
    assert.equal(read() - before, 60_010);
  });
  test('noise between the two does not add up', () => {
    const read = now();
    const before = read();
    for (let i = 0; i < 1000; i++) {
      at.wall += i % 2 ? 700 : -700;
      read();
    }
    assert.equal(read() - before, 0);
  });
});

describe('errors', () => {
  const table: [Response, unknown, string, boolean, boolean][] = [
    [problem(401, 'session_expired'), { code: 'session_expired' }, 'session_expired', true, false],
    [problem(401, 'session_revoked'), { code: 'session_revoked' }, 'session_revoked', true, false],
    [problem(401, 'token_reused'), { code: 'token_reused' }, 'reuse_detected', true, false],
    [problem(401, 'device_mismatch'), { code: 'device_mismatch' }, 'device_mismatch', true, false],
    [problem(401, 'missing_token'), { code: 'missing_token' }, 'signed_out', true, false],
    [problem(401, 'invalid_token'), { code: 'invalid_token' }, 'session_expired', true, false],
    [problem(400, 'x'), { error: 'invalid_grant' }, 'session_revoked', true, false],
    [problem(400, 'x'), { code: 'duplicate_cookie' }, 'invalid_request', false, false],
    [problem(403, 'x'), { code: 'step_up_required' }, 'step_up_required', false, false],
    [problem(403, 'x'), { code: 'csrf_check_failed' }, 'forbidden', false, false],
    [problem(401, 'x'), { code: 'invalid_credentials' }, 'invalid_credentials', false, false],
    [problem(409, 'x'), { code: 'email_taken' }, 'email_taken', false, false],
    [problem(422, 'x'), { code: 'validation_failed' }, 'validation_failed', false, false],
    [problem(404, 'x'), { code: 'not_found' }, 'not_found', false, false],
    [problem(429, 'x'), { code: 'too_many_refreshes' }, 'rate_limited', false, true],
    [html(429), undefined, 'rate_limited', false, true],
    [html(401), undefined, 'server', false, true],
    [html(403), undefined, 'server', false, true],
    [html(200), undefined, 'server', false, true],
    [html(502), undefined, 'server', false, true],
    [problem(503, 'x'), { code: 'session_expired' }, 'server', false, true],
  ];
  for (const [response, body, code, final, retryable] of table) {
    test(`R9 ${response.status} ${JSON.stringify(body) ?? 'of a proxy'}: ${code}${final ? ', the end' : ''}`, () => {
      const error = errorOf(response, body);
      assert.deepEqual([error.code, isFinal(error), error.retryable, error.status], [code, final, retryable, response.status]);
      assert.ok(error instanceof Error && error.name === 'AuthError');
    });
  }
  for (const code of ['network', 'timeout', 'offline'] as const) {
    test(`${code} is worth another try`, () => assert.ok(new AuthError(code).retryable));
  }
  test('Retry-After comes from the header, else from the problem', () => {
    assert.equal(errorOf(html(503, { 'retry-after': '7' }), { retry_after: 3 }).retryAfter, 7);
    assert.equal(errorOf(html(503), { retry_after: 3 }).retryAfter, 3);
    assert.equal('retryAfter' in errorOf(html(503), undefined), false);
  });
});
