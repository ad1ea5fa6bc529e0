//! One change of one session: compare-and-swap, all or nothing, and revoked for good.

use crate::conformance::{
    Harness, START, after_millis, at_once, check, disable, end, end_all, event, events_of, feed_of, load,
    log_in, move_head, next_head, revoke, session, sign_up,
};
use crate::{Change, Commit, FeedSubject, NewEvent, SubjectChange};
use relatch_core::{Ended, EventKind, Head, Origin, Revocation, RevokeReason, State, Update, Version};
use relatch_token::AttemptHash;

pub(super) async fn a_moved_head_is_seen_by_the_next_load(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut expected = log_in(&*store, &ada, 1).await;
    let attempts =
        [None, Some(AttemptHash([1; 8])), Some(AttemptHash([0; 8])), None, Some(AttemptHash([255; 8]))];
    for (step, attempt) in attempts.into_iter().cycle().take(100).enumerate() {
        let head = Head { attempt, ..next_head(&expected, after_millis(step as i64 * 977)) };
        let change = Change { update: Update::MoveHead(head), ..move_head(&expected, START) };
        assert_eq!(store.commit(change.clone()).await, Ok(Commit::Done));
        change.update.apply(&mut expected);
        assert_eq!(load(&*store, expected.id).await, expected);
    }
    assert_eq!(expected.version, Version(100));
}

pub(super) async fn a_commit_on_another_version_is_a_conflict(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let read = log_in(&*store, &ada, 1).await;
    store.commit(move_head(&read, after_millis(1))).await.unwrap();
    let now = load(&*store, read.id).await;
    for version in [0, 2, u64::MAX >> 1] {
        let expected = Version(version);
        let moved = Change { expected, ..move_head(&now, after_millis(2)) };
        let ended = Change { expected, ..revoke(&now, RevokeReason::Logout, after_millis(2)) };
        assert_eq!(store.commit(moved).await, Ok(Commit::Conflict), "moved on version {version}");
        assert_eq!(store.commit(ended).await, Ok(Commit::Conflict), "ended on version {version}");
    }
    assert_eq!(load(&*store, read.id).await, now);
    assert_eq!(store.commit(move_head(&now, after_millis(3))).await, Ok(Commit::Done));
}

pub(super) async fn a_commit_on_an_unknown_session_is_a_conflict(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let unknown = session(&ada, 9);
    let events = events_of(&*store).await;
    assert_eq!(store.commit(move_head(&unknown, START)).await, Ok(Commit::Conflict));
    assert_eq!(store.commit(revoke(&unknown, RevokeReason::Logout, START)).await, Ok(Commit::Conflict));
    assert_eq!(store.load(unknown.id).await, Ok(None));
    assert_eq!(events_of(&*store).await, events);
    assert_eq!(feed_of(&*store).await, []);
}

pub(super) async fn one_of_64_commits_on_one_version_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut read = log_in(&*store, &ada, 1).await;
    for _ in 0..5 {
        let changes: Vec<_> = (0..64).map(|n| move_head(&read, after_millis(n))).collect();
        let answers = at_once(changes.clone().into_iter().map(|change| {
            let store = store.clone();
            async move { store.commit(change).await.unwrap() }
        }))
        .await;
        let done: Vec<_> = (0..64).filter(|n| answers[*n] == Commit::Done).collect();
        assert_eq!(done.len(), 1);
        changes[done[0]].update.apply(&mut read);
        assert_eq!(load(&*store, read.id).await, read, "the row is not of the one that was told it is done");
    }
}

pub(super) async fn commits_on_different_sessions_are_all_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let mut sessions = Vec::new();
    for n in 0..64 {
        sessions.push(log_in(&*store, &ada, n).await);
    }
    let answers = at_once(sessions.clone().into_iter().map(|session| {
        let store = store.clone();
        async move { store.commit(move_head(&session, after_millis(5))).await }
    }))
    .await;
    assert_eq!(answers, vec![Ok(Commit::Done); 64]);
    for mut session in sessions {
        move_head(&session, after_millis(5)).update.apply(&mut session);
        assert_eq!(load(&*store, session.id).await, session);
    }
}

pub(super) async fn every_step_of_a_contended_session_is_counted(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let id = log_in(&*store, &ada, 1).await.id;
    let steps = at_once((0..8).map(|_| {
        let store = store.clone();
        async move {
            let mut done = 0;
            for at in 0..20 {
                let read = load(&*store, id).await;
                let answer = store.commit(move_head(&read, after_millis(at))).await.unwrap();
                done += u64::from(answer == Commit::Done);
            }
            done
        }
    }))
    .await;
    let now = load(&*store, id).await;
    let done: u64 = steps.iter().sum();
    assert!(done >= 20, "of eight that try twenty times, at least one is first each time: {steps:?}");
    assert_eq!((now.version.0, now.head.generation.0), (done, done));
}

pub(super) async fn a_revoked_session_never_changes_again(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for (n, reason) in RevokeReason::ALL.into_iter().enumerate() {
        let read = log_in(&*store, &ada, n as u64).await;
        assert_eq!(store.commit(revoke(&read, reason, after_millis(7))).await, Ok(Commit::Done));
        let ended = load(&*store, read.id).await;
        assert_eq!(ended.state, State::Revoked(Revocation { at: after_millis(7), reason }));
        assert_eq!(ended.version, Version(1));
        let feed = feed_of(&*store).await;
        let again = revoke(&ended, RevokeReason::EndedByOperator, after_millis(8));
        assert_eq!(store.commit(move_head(&ended, after_millis(8))).await, Ok(Commit::Conflict));
        assert_eq!(store.commit(again).await, Ok(Commit::Conflict));
        assert_eq!(load(&*store, read.id).await, ended);
        assert_eq!(feed_of(&*store).await, feed);
    }
}

pub(super) async fn a_head_never_moves_after_the_end_of_all_sessions(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let (one, kept) = (log_in(&*store, &ada, 1).await, log_in(&*store, &ada, 2).await);
    let other = log_in(&*store, &bob, 3).await;
    end(&*store, SubjectChange { keep: Some(kept.id), ..end_all(ada.id, after_millis(1)) }).await;
    end(&*store, disable(bob.id, after_millis(1))).await;
    for decided_before in [&one, &other] {
        let change = move_head(decided_before, after_millis(2));
        assert_eq!(store.commit(change).await, Ok(Commit::Conflict));
        assert_eq!(load(&*store, decided_before.id).await, *decided_before);
    }
    let kept = load(&*store, kept.id).await;
    assert_eq!(store.commit(move_head(&kept, after_millis(2))).await, Ok(Commit::Done));
    assert_eq!(store.commit(revoke(&one, RevokeReason::Logout, after_millis(3))).await, Ok(Commit::Done));
}

pub(super) async fn a_revocation_its_event_and_its_feed_entry_come_together(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let read = log_in(&*store, &ada, 1).await;
    let mut change = revoke(&read, RevokeReason::TokenReused, after_millis(7));
    let told = NewEvent {
        kind: EventKind::RefreshReuse,
        session_id: Some(read.id),
        origin: Origin { ip: Some("2001:db8::1".parse().unwrap()), ..read.origin.clone() },
        reason: Some("previous_head".into()),
        ..event(EventKind::RefreshReuse, ada.id, after_millis(8))
    };
    change.event = Some(told.clone());
    assert_eq!(store.commit(change).await, Ok(Commit::Done));
    assert_eq!(events_of(&*store).await.last(), Some(&told));
    let feed = feed_of(&*store).await;
    assert_eq!(feed.len(), 1);
    assert_eq!((feed[0].at, &feed[0].subject), (after_millis(7), &FeedSubject::Session(read.id)));

    let silent = log_in(&*store, &ada, 2).await;
    let change = Change { event: None, ..revoke(&silent, RevokeReason::Logout, after_millis(9)) };
    let events = events_of(&*store).await;
    assert_eq!(store.commit(change).await, Ok(Commit::Done));
    assert_eq!(feed_of(&*store).await.len(), 2, "the feed hangs on the revocation and not on the event");
    assert_eq!(events_of(&*store).await, events);
}

pub(super) async fn a_healed_head_leaves_its_event_and_no_feed_entry(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let read = log_in(&*store, &ada, 1).await;
    let told = NewEvent { session_id: Some(read.id), ..event(EventKind::SessionHealed, ada.id, START) };
    let change = Change { event: Some(told.clone()), ..move_head(&read, START) };
    assert_eq!(store.commit(change).await, Ok(Commit::Done));
    assert_eq!(events_of(&*store).await.last(), Some(&told));
    assert_eq!(feed_of(&*store).await, []);
}

pub(super) async fn a_conflict_writes_neither_event_nor_feed_entry(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let read = log_in(&*store, &ada, 1).await;
    let answers = at_once((0..32).map(|n| {
        let (store, change) = (store.clone(), revoke(&read, RevokeReason::Logout, after_millis(n)));
        async move { store.commit(change).await.unwrap() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Commit::Done).count(), 1);
    assert_eq!(feed_of(&*store).await.len(), 1);
    let events = events_of(&*store).await;
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::SessionRevoked).count(), 1);
    let State::Revoked(revocation) = load(&*store, read.id).await.state else { panic!("it is live") };
    assert_eq!(events.last().unwrap().at, revocation.at, "the event of another one than the row's");
    assert_eq!(feed_of(&*store).await[0].at, revocation.at, "the feed entry of another one than the row's");
}

pub(super) async fn of_a_refresh_and_a_logout_on_one_version_one_is_done(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..50 {
        let read = log_in(&*store, &ada, n).await;
        let mut pair = vec![move_head(&read, START), revoke(&read, RevokeReason::Logout, START)];
        pair.rotate_left(n as usize % 2);
        let answers = at_once(pair.clone().into_iter().map(|change| {
            let store = store.clone();
            async move { store.commit(change).await.unwrap() }
        }))
        .await;
        assert_ne!(answers[0], answers[1], "round {n}");
        let first = usize::from(answers[1] == Commit::Done);
        let mut expected = read;
        pair[first].update.apply(&mut expected);
        assert_eq!(load(&*store, expected.id).await, expected);
    }
}

pub(super) async fn an_acknowledged_revocation_is_seen_by_every_later_load(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    for n in 0..10 {
        let id = log_in(&*store, &ada, n).await.id;
        let refreshing = tokio::spawn({
            let store = store.clone();
            async move {
                for _ in 0..20 {
                    let read = load(&*store, id).await;
                    store.commit(move_head(&read, START)).await.unwrap();
                }
            }
        });
        loop {
            let read = load(&*store, id).await;
            let change = revoke(&read, RevokeReason::Logout, after_millis(3));
            if store.commit(change).await == Ok(Commit::Done) {
                break;
            }
        }
        let revocation = Revocation { at: after_millis(3), reason: RevokeReason::Logout };
        for later in at_once((0..4).map(|_| {
            let store = store.clone();
            async move { check(&*store, id, START).await }
        }))
        .await
        {
            assert_eq!(later, Err(Ended::Revoked(revocation)));
        }
        refreshing.await.unwrap();
        assert_eq!(check(&*store, id, START).await, Err(Ended::Revoked(revocation)));
    }
}
