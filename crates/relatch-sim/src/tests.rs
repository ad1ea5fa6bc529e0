//! The simulator, simulated: it agrees with itself, sees what is there, and finds bugs that were planted.

use crate::compare::{CompareOptions, Compared, KINDS, compare};
use crate::plant::Plant;
use crate::signer::PlainSigner;
use crate::soak::{self, Fate, SoakOptions, Totals};
use crate::store::StoreKind;
use crate::world::RuleKind;
use crate::{clock, dice, shell, signer};
use relatch_server::tokens::AccessSigner;
use relatch_token::Timestamp;
use std::sync::Arc;

#[test]
fn our_rule_meets_every_row_and_both_others_fail_theirs() {
    let options = CompareOptions { seeds: 25, signer: Arc::new(PlainSigner) };
    let compared = compare(&options, |_| {}).unwrap();
    let missed = |kind: RuleKind| -> Vec<&str> {
        let column = KINDS.iter().position(|other| *other == kind).unwrap();
        let is_missed = |one: &&Compared| !one.outcomes[column].is_met;
        compared.iter().filter(is_missed).map(|one| one.row.scenario).collect()
    };
    assert_eq!(missed(RuleKind::Ours), [""; 0]);
    let fails = |kind, begin: &str| missed(kind).iter().any(|scenario| scenario.starts_with(begin));
    // Strict rotation loses honest people; the same successor keeps a thief.
    for scenario in ["two tabs", "20 tabs", "100 tabs", "answer lost, retry after 5 s", "store lost"] {
        assert!(fails(RuleKind::Strict, scenario), "{scenario}");
    }
    for scenario in ["20 tabs", "answer lost, retry after 8 h", "store lost", "thief with a copy"] {
        assert!(fails(RuleKind::SameSuccessor, scenario), "{scenario}");
    }
    assert!(!fails(RuleKind::Strict, "thief") && !fails(RuleKind::SameSuccessor, "two tabs"));
}

#[test]
fn no_promise_is_broken_in_a_storm_over_the_memory_store_and_every_fault_struck() {
    let totals = soak(StoreKind::Memory, 0..60);
    for (fault, count) in &totals.faults {
        assert!(*count > 0, "no {fault}");
    }
    assert_eq!(totals.faults.len(), 11);
    for fate in [Fate::Kept, Fate::EndedAsAsked, Fate::CopyFoundOut] {
        assert!(totals.fates.contains_key(&fate), "no session was {fate:?}");
    }
    for verdict in ["200", "401 token_reused", "401 session_revoked", "503"] {
        assert!(totals.verdicts.contains_key(&("thief", verdict.to_owned())), "no thief met {verdict}");
    }
}

#[test]
fn no_promise_is_broken_in_a_storm_over_the_sqlite_store() {
    let totals = soak(StoreKind::Sqlite, 1000..1008);
    assert!(totals.calls > 100 && totals.fates.contains_key(&Fate::Kept));
}

#[test]
fn one_seed_has_one_history_whatever_the_store_and_the_signatures() {
    let entropy = Arc::new(dice::Dice::new(0, dice::Room::Entropy));
    let real = signer::real(shell::ring().unwrap(), entropy, Timestamp::from_millis(clock::BEGIN)).unwrap();
    for seed in 1..4 {
        let lines = |store, signer: Arc<dyn AccessSigner>| {
            let options = SoakOptions { store, signer, plant: None };
            soak::play(seed, &options).unwrap().history.lines()
        };
        let told = lines(StoreKind::Memory, Arc::new(PlainSigner));
        assert!(told.len() > 50, "seed {seed} has no story");
        assert_eq!(told, lines(StoreKind::Memory, Arc::new(PlainSigner)));
        assert_eq!(told, lines(StoreKind::Sqlite, Arc::clone(&real)));
        assert!(!told.concat().contains("rlt_"), "a story holds no token");
    }
    let other = SoakOptions { store: StoreKind::Memory, signer: real, plant: None };
    assert_ne!(
        soak::play(1, &other).unwrap().history.lines(),
        soak::play(2, &other).unwrap().history.lines()
    );
}

/// Goal: a checker that finds nothing proves nothing. Method: each bug, on seeds that are clean without it.
#[test]
fn the_checker_finds_every_bug_that_is_planted() {
    for plant in Plant::ALL {
        let options =
            SoakOptions { store: StoreKind::Memory, signer: Arc::new(PlainSigner), plant: Some(plant) };
        let finds = |seed: &u64| {
            let played = soak::play(*seed, &options).unwrap();
            !soak::judge(&played.history, &played.cast).violations.is_empty()
        };
        assert!((0..60).find(finds).is_some(), "{plant:?} was not found");
    }
}

fn soak(store: StoreKind, seeds: std::ops::Range<u64>) -> Totals {
    let options = SoakOptions { store, signer: Arc::new(PlainSigner), plant: None };
    let mut totals = Totals::default();
    for seed in seeds {
        let played = soak::play(seed, &options).unwrap();
        let judgement = soak::judge(&played.history, &played.cast);
        assert!(judgement.violations.is_empty(), "seed {seed}: {:?}", judgement.violations);
        totals.add(&played, &judgement);
    }
    totals
}
