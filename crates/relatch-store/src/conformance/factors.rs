//! Second factors: confirmed once, each code accepted once, and gone with their owner.

use crate::conformance::{
    Dice, Harness, START, after_millis, at_once, delete, disable, end, end_all, event, events_of, sign_up,
    user_id,
};
use crate::{
    Commit, ConfirmFactor, Factor, FactorKind, FactorState, RecoveryHash, SealedSeed, SecondFactors, Store,
    User,
};
use relatch_core::{Epoch, EventKind};
use relatch_token::{FactorId, Seconds, Timestamp};
use std::sync::Arc;

/// When [`factor`] expires if nobody confirms it.
const OVER: Timestamp = after_millis(900_000);
/// As many as an account may have in these checks.
const MOST: u32 = 3;
/// The step that confirms a factor here.
const STEP: u64 = 60_000_000;

pub(super) async fn every_field_of_a_factor_comes_back(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    assert_eq!(store.second_factors(ada.id).await, Ok(SecondFactors::default()));
    let one = Factor { name: "Ünïcode “phone” 🔑".into(), ..factor(&ada, 1) };
    assert_eq!(store.add_factor(one.clone(), Epoch(0), MOST).await, Ok(Commit::Done));
    let expected = SecondFactors { factors: vec![one.clone()], recovery_codes: 0, failures: 0 };
    assert_eq!(store.second_factors(ada.id).await, Ok(expected));
    assert_eq!(store.confirm_factor(confirm(&one, after_millis(7))).await, Ok(Commit::Done));
    let state = FactorState::Confirmed { at: after_millis(7), last_step: STEP };
    let expected = SecondFactors { factors: vec![Factor { state, ..one }], recovery_codes: 10, failures: 0 };
    assert_eq!(store.second_factors(ada.id).await, Ok(expected.clone()));
    assert_eq!(events_of(&*store).await.last(), Some(&added(&ada, after_millis(7))));
    let store = harness.crash(store).await;
    assert_eq!(store.second_factors(ada.id).await, Ok(expected));
    assert_eq!(store.second_factors(user_id(99)).await, Ok(SecondFactors::default()));
}

pub(super) async fn a_pending_factor_takes_the_place_of_another_and_of_no_confirmed_one(
    harness: &dyn Harness,
) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let of_bob = factor(&bob, 9);
    store.add_factor(of_bob.clone(), Epoch(0), MOST).await.unwrap();
    let phone = enrolled(&*store, &ada, 1).await;
    for n in [2, 3] {
        assert_eq!(store.add_factor(factor(&ada, n), Epoch(0), MOST).await, Ok(Commit::Done));
    }
    let kept: Vec<_> = factors(&*store, &ada).await.iter().map(|one| one.id).collect();
    assert_eq!(kept, [phone.id, factor(&ada, 3).id]);
    assert_eq!(factors(&*store, &bob).await, [of_bob]);
    assert_eq!(store.confirm_factor(confirm(&factor(&ada, 2), START)).await, Ok(Commit::Conflict));
    for n in [3, 4] {
        enrolled(&*store, &ada, n).await;
    }
    let more = store.add_factor(factor(&ada, 5), Epoch(0), MOST).await;
    assert_eq!((more, factors(&*store, &ada).await.len()), (Ok(Commit::Conflict), 3), "one too many");
}

pub(super) async fn a_factor_is_confirmed_once_by_its_owner_and_in_time(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let one = factor(&ada, 1);
    store.add_factor(one.clone(), Epoch(0), MOST).await.unwrap();
    let events = events_of(&*store).await;
    let anothers = ConfirmFactor { user_id: bob.id, ..confirm(&one, START) };
    for refused in [anothers, confirm(&one, OVER), confirm(&factor(&ada, 2), START)] {
        assert_eq!(store.confirm_factor(refused).await, Ok(Commit::Conflict));
    }
    assert_eq!(store.accept_step(ada.id, one.id, STEP).await, Ok(Commit::Conflict), "it is pending");
    assert_eq!(factors(&*store, &ada).await, std::slice::from_ref(&one));
    assert_eq!(events_of(&*store).await, events);
    let answers = at_once((0..50).map(|_| {
        let (store, one) = (Arc::clone(&store), one.clone());
        async move { store.confirm_factor(confirm(&one, after_millis(899_999))).await.unwrap() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Commit::Done).count(), 1);
    assert_eq!(events_of(&*store).await.len(), events.len() + 1);
}

pub(super) async fn one_of_50_submissions_of_a_step_is_accepted(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let phone = enrolled(&*store, &ada, 1).await;
    for step in [STEP + 1, STEP + 2] {
        let answers = at_once((0..50).map(|_| {
            let (store, user, id) = (Arc::clone(&store), ada.id, phone.id);
            async move { store.accept_step(user, id, step).await.unwrap() }
        }))
        .await;
        assert_eq!(answers.iter().filter(|answer| **answer == Commit::Done).count(), 1);
    }
}

pub(super) async fn no_step_up_to_the_last_is_accepted_again(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let phone = enrolled(&*store, &ada, 1).await;
    assert_eq!(store.accept_step(ada.id, phone.id, STEP).await, Ok(Commit::Conflict), "it confirmed it");
    assert_eq!(store.accept_step(bob.id, phone.id, STEP + 5).await, Ok(Commit::Conflict));
    assert_eq!(store.accept_step(ada.id, factor(&ada, 2).id, STEP + 5).await, Ok(Commit::Conflict));
    assert_eq!(store.accept_step(ada.id, phone.id, STEP + 5).await, Ok(Commit::Done));
    let store = harness.crash(store).await;
    for step in [0, STEP, STEP + 4, STEP + 5] {
        assert_eq!(store.accept_step(ada.id, phone.id, step).await, Ok(Commit::Conflict), "{step}");
    }
    assert_eq!(store.accept_step(ada.id, phone.id, STEP + 6).await, Ok(Commit::Done));
    assert_eq!(store.accept_step(ada.id, phone.id, u64::MAX).await, Ok(Commit::Done));
}

pub(super) async fn one_of_50_submissions_of_a_recovery_code_is_accepted(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    enrolled(&*store, &ada, 1).await;
    enrolled(&*store, &bob, 2).await;
    let events = events_of(&*store).await.len();
    let answers = at_once((0..50).map(|n| {
        let (store, user) = (Arc::clone(&store), ada.id);
        let told = event(EventKind::RecoveryCodeUsed, user, after_millis(n));
        async move { store.use_recovery_code(user, code(1, 3), told).await.unwrap() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Commit::Done).count(), 1);
    assert_eq!(events_of(&*store).await.len(), events + 1);
    assert_eq!(store.second_factors(ada.id).await.unwrap().recovery_codes, 9);
    let store = harness.crash(store).await;
    let told = event(EventKind::RecoveryCodeUsed, ada.id, START);
    for refused in [code(1, 3), code(2, 3), code(1, 10), RecoveryHash([0; 32])] {
        let answer = store.use_recovery_code(ada.id, refused, told.clone()).await;
        assert_eq!(answer, Ok(Commit::Conflict), "used, another's, or none");
    }
    assert_eq!(store.second_factors(bob.id).await.unwrap().recovery_codes, 10);
}

pub(super) async fn new_recovery_codes_replace_all_others(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    enrolled(&*store, &ada, 1).await;
    let told = event(EventKind::RecoveryCodesMade, ada.id, START);
    let replaced = store.replace_recovery_codes(ada.id, Epoch(0), codes(7), told.clone()).await;
    assert_eq!(replaced, Ok(Commit::Done));
    assert_eq!(events_of(&*store).await.last(), Some(&told));
    let used = event(EventKind::RecoveryCodeUsed, ada.id, START);
    assert_eq!(store.use_recovery_code(ada.id, code(1, 1), used.clone()).await, Ok(Commit::Conflict));
    assert_eq!(store.use_recovery_code(ada.id, code(7, 1), used).await, Ok(Commit::Done));
    let told = event(EventKind::RecoveryCodesMade, bob.id, START);
    let without = store.replace_recovery_codes(bob.id, Epoch(0), codes(8), told).await;
    assert_eq!(without, Ok(Commit::Conflict), "there is nothing that they could stand in for");
    assert_eq!(store.second_factors(bob.id).await, Ok(SecondFactors::default()));
}

pub(super) async fn wrong_codes_are_counted_until_a_right_one(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let phone = enrolled(&*store, &ada, 1).await;
    let mut counts = at_once((0..50).map(|n| {
        let (store, told) = (Arc::clone(&store), event(EventKind::MfaFailed, ada.id, after_millis(n)));
        async move { store.count_wrong_code(told.user_id, told).await.unwrap() }
    }))
    .await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    let store = harness.crash(store).await;
    assert_eq!(store.second_factors(ada.id).await.unwrap().failures, 50);
    assert_eq!(store.accept_step(ada.id, phone.id, STEP).await, Ok(Commit::Conflict));
    assert_eq!(store.second_factors(ada.id).await.unwrap().failures, 50, "a refused code clears nothing");
    assert_eq!(store.accept_step(ada.id, phone.id, STEP + 1).await, Ok(Commit::Done));
    assert_eq!(store.second_factors(ada.id).await.unwrap().failures, 0);
    let told = event(EventKind::MfaFailed, ada.id, START);
    assert_eq!(store.count_wrong_code(ada.id, told).await, Ok(1));
    let used = event(EventKind::RecoveryCodeUsed, ada.id, START);
    assert_eq!(store.use_recovery_code(ada.id, code(1, 1), used).await, Ok(Commit::Done));
    assert_eq!(store.second_factors(ada.id).await.unwrap().failures, 0);
    let nobodys = event(EventKind::MfaFailed, user_id(99), START);
    assert_eq!(store.count_wrong_code(user_id(99), nobodys).await, Ok(0));
}

pub(super) async fn the_last_factor_takes_the_recovery_codes_along(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    let (phone, tablet) = (enrolled(&*store, &ada, 1).await, enrolled(&*store, &ada, 2).await);
    let told = event(EventKind::FactorRemoved, ada.id, after_millis(3));
    for (user, id) in [(ada.id, factor(&ada, 5).id), (bob.id, phone.id)] {
        let refused = store.remove_factor(user, Epoch(0), id, told.clone()).await;
        assert_eq!(refused, Ok(Commit::Conflict));
    }
    assert_eq!(store.remove_factor(ada.id, Epoch(0), phone.id, told.clone()).await, Ok(Commit::Done));
    assert_eq!(store.second_factors(ada.id).await.unwrap().recovery_codes, 10);
    assert_eq!(store.accept_step(ada.id, phone.id, STEP + 9).await, Ok(Commit::Conflict), "it is gone");
    assert_eq!(store.remove_factor(ada.id, Epoch(0), tablet.id, told.clone()).await, Ok(Commit::Done));
    assert_eq!(store.second_factors(ada.id).await, Ok(SecondFactors::default()));
    assert_eq!(events_of(&*store).await.iter().filter(|event| **event == told).count(), 2);
}

pub(super) async fn an_operator_removes_all_factors_of_one_user(harness: &dyn Harness) {
    let store = harness.open().await;
    let (ada, bob) = (sign_up(&*store, 1).await, sign_up(&*store, 2).await);
    enrolled(&*store, &ada, 1).await;
    enrolled(&*store, &bob, 2).await;
    store.add_factor(factor(&ada, 3), Epoch(0), MOST).await.unwrap();
    let told = event(EventKind::FactorRemoved, ada.id, after_millis(3));
    assert_eq!(store.remove_factors(ada.id, told.clone()).await, Ok(1));
    assert_eq!(store.second_factors(ada.id).await, Ok(SecondFactors::default()));
    assert_eq!(store.remove_factors(ada.id, told.clone()).await, Ok(0));
    assert_eq!(events_of(&*store).await.iter().filter(|event| **event == told).count(), 1);
    assert_eq!(factors(&*store, &bob).await.len(), 1);
}

pub(super) async fn what_was_proved_before_the_epoch_moved_changes_no_factor(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let phone = enrolled(&*store, &ada, 1).await;
    end(&*store, end_all(ada.id, START)).await;
    let before = (store.second_factors(ada.id).await, events_of(&*store).await);
    let told = event(EventKind::FactorRemoved, ada.id, START);
    assert_eq!(store.add_factor(factor(&ada, 2), Epoch(0), MOST).await, Ok(Commit::Conflict));
    assert_eq!(store.remove_factor(ada.id, Epoch(0), phone.id, told.clone()).await, Ok(Commit::Conflict));
    let replaced = store.replace_recovery_codes(ada.id, Epoch(0), codes(7), told.clone()).await;
    assert_eq!(replaced, Ok(Commit::Conflict));
    assert_eq!((store.second_factors(ada.id).await, events_of(&*store).await), before);
    assert_eq!(store.remove_factor(ada.id, Epoch(1), phone.id, told).await, Ok(Commit::Done));
}

pub(super) async fn factors_outlive_a_disabled_user_and_not_a_deleted_one(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let phone = enrolled(&*store, &ada, 1).await;
    end(&*store, disable(ada.id, START)).await;
    assert_eq!(store.second_factors(ada.id).await.unwrap().recovery_codes, 10);
    end(&*store, delete(ada.id, START)).await;
    let events = events_of(&*store).await;
    assert_eq!(store.second_factors(ada.id).await, Ok(SecondFactors::default()));
    assert_eq!(store.factors_not_under(200, 10).await, Ok(vec![]));
    for epoch in [Epoch(0), Epoch(1), Epoch(2)] {
        assert_eq!(store.add_factor(factor(&ada, 2), epoch, MOST).await, Ok(Commit::Conflict));
    }
    assert_eq!(store.accept_step(ada.id, phone.id, STEP + 1).await, Ok(Commit::Conflict));
    let told = event(EventKind::RecoveryCodeUsed, ada.id, START);
    assert_eq!(store.use_recovery_code(ada.id, code(1, 1), told.clone()).await, Ok(Commit::Conflict));
    assert_eq!(store.count_wrong_code(ada.id, told.clone()).await, Ok(0));
    assert_eq!(store.remove_factors(ada.id, told).await, Ok(0));
    assert_eq!(events_of(&*store).await, events, "something that did not happen was told");
}

pub(super) async fn a_seed_is_sealed_anew_only_where_it_is_as_it_was_read(harness: &dyn Harness) {
    let store = harness.open().await;
    let ada = sign_up(&*store, 1).await;
    let (phone, tablet) = (enrolled(&*store, &ada, 1).await, enrolled(&*store, &ada, 2).await);
    assert_eq!(store.factors_not_under(1, 10).await, Ok(vec![]));
    assert_eq!(store.factors_not_under(2, 10).await.unwrap().len(), 2);
    assert_eq!(store.factors_not_under(2, 1).await.unwrap().len(), 1);
    let anew = SealedSeed { master_id: 2, bytes: vec![9; 60] };
    store.reseal_factor(phone.id, tablet.seed.clone(), anew.clone()).await.unwrap();
    assert_eq!(factors(&*store, &ada).await[0].seed, phone.seed, "it had another seed");
    store.reseal_factor(phone.id, phone.seed, anew.clone()).await.unwrap();
    let kept = factors(&*store, &ada).await;
    assert_eq!((&kept[0].seed, &kept[1].seed), (&anew, &tablet.seed));
    assert_eq!(store.factors_not_under(2, 10).await, Ok(vec![tablet]));
}

/// Pending factor `n` of a user, begun at [`START`], good for a quarter of an hour.
pub(super) fn factor(user: &User, n: u64) -> Factor {
    let mut dice = Dice::new(n ^ 0xFAC7);
    Factor {
        id: FactorId::from_bytes(dice.bytes()),
        user_id: user.id,
        kind: FactorKind::Totp,
        name: format!("phone {n}"),
        seed: SealedSeed { master_id: 1, bytes: dice.bytes::<48>().to_vec() },
        created_at: START,
        state: FactorState::Pending { expires_at: START + Seconds(900) },
    }
}

/// Its confirmation, with recovery codes of the number of its user's factor.
pub(super) fn confirm(factor: &Factor, at: Timestamp) -> ConfirmFactor {
    ConfirmFactor {
        user_id: factor.user_id,
        factor_id: factor.id,
        at,
        step: STEP,
        recovery_codes: Some(codes(1)),
        event: event(EventKind::FactorAdded, factor.user_id, at),
    }
}

fn added(user: &User, at: Timestamp) -> crate::NewEvent {
    event(EventKind::FactorAdded, user.id, at)
}

/// Factor `n` of a user, confirmed, with recovery codes of that number.
async fn enrolled(store: &dyn Store, user: &User, n: u64) -> Factor {
    let one = factor(user, n);
    let epoch = super::reread(store, user.id).await.standing.not_before;
    store.add_factor(one.clone(), epoch, MOST).await.unwrap();
    let confirm = ConfirmFactor { recovery_codes: Some(codes(n)), ..confirm(&one, START) };
    assert_eq!(store.confirm_factor(confirm).await, Ok(Commit::Done));
    Factor { state: FactorState::Confirmed { at: START, last_step: STEP }, ..one }
}

async fn factors(store: &dyn Store, user: &User) -> Vec<Factor> {
    store.second_factors(user.id).await.unwrap().factors
}

/// Ten recovery codes of set `n`.
pub(super) fn codes(n: u64) -> Vec<RecoveryHash> {
    (0..10).map(|index| code(n, index)).collect()
}

fn code(n: u64, index: u64) -> RecoveryHash {
    RecoveryHash(Dice::new((n << 8 | index) ^ 0x0C0D_E000).bytes())
}
