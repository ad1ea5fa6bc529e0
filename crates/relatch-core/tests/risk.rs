//! The rules of risk: every subset of the signals, every boundary.

use relatch_core::{Action, Moment, RiskNote, Signal, Signals, Thresholds, Weights, assess, is_same_network};

/// All 128 subsets.
fn subsets() -> impl Iterator<Item = Signals> {
    (0u32..1 << Signal::ALL.len())
        .map(|bits| Signal::ALL.into_iter().filter(|signal| bits >> *signal as u32 & 1 == 1).collect())
}

fn is_within(one: Signals, other: Signals) -> bool {
    one.iter().all(|signal| other.has(signal))
}

const SPREAD: [Thresholds; 5] = [
    Thresholds { notify: 40, step_up: 80, refuse: 120, revoke: 160 },
    Thresholds { notify: 0, step_up: 80, refuse: 0, revoke: 160 },
    Thresholds { notify: 100, step_up: 50, refuse: 50, revoke: 0 },
    Thresholds { notify: 1, step_up: 1, refuse: 1, revoke: 1 },
    Thresholds { notify: 0, step_up: 0, refuse: 0, revoke: 0 },
];

#[test]
fn one_more_signal_never_makes_the_outcome_milder() {
    for thresholds in SPREAD.into_iter().chain(Moment::ALL.map(Moment::thresholds)) {
        for fewer in subsets() {
            for more in subsets().filter(|more| is_within(fewer, *more)) {
                let [less, most] = [fewer, more].map(|set| assess(set, &Weights::default(), &thresholds));
                assert!(less.score <= most.score && less.action <= most.action, "{fewer:?} {more:?}");
            }
        }
    }
}

#[test]
fn the_order_in_which_signals_fire_does_not_matter() {
    for set in subsets() {
        let forwards: Signals = set.iter().collect();
        let backwards: Signals = set.iter().collect::<Vec<_>>().into_iter().rev().collect();
        assert!(forwards == set && backwards == set);
        let mut added = Signals::NONE;
        Signal::ALL.into_iter().rev().for_each(|signal| added.add(signal, set.has(signal)));
        assert_eq!(added, set);
    }
}

#[test]
fn an_action_follows_from_its_score_on_and_not_a_point_before() {
    let at = |score: u32, thresholds: &Thresholds| {
        let weights =
            Signal::ALL.into_iter().fold(Weights::default(), |weights, signal| weights.with(signal, 0));
        let weights = weights.with(Signal::NewDevice, score);
        let assessment = assess([Signal::NewDevice].into_iter().collect(), &weights, thresholds);
        assert_eq!(assessment.score, score);
        assessment.action
    };
    let thresholds = Thresholds { notify: 40, step_up: 80, refuse: 120, revoke: 160 };
    let steps = [Action::Allow, Action::Notify, Action::StepUp, Action::Refuse, Action::Revoke];
    for pair in steps.windows(2) {
        let boundary = thresholds.of(pair[1]);
        assert_eq!(
            [boundary - 1, boundary, boundary + 1].map(|score| at(score, &thresholds)),
            [pair[0], pair[1], pair[1]]
        );
    }
    let never = Thresholds::default();
    assert!([0, 1, Weights::MAX].into_iter().all(|score| at(score, &never) == Action::Allow));
    // Where thresholds cross, the harsher action counts.
    let crossed = Thresholds { notify: 100, step_up: 50, refuse: 0, revoke: 0 };
    assert_eq!(
        [49, 50, 100].map(|score| at(score, &crossed)),
        [Action::Allow, Action::StepUp, Action::StepUp]
    );
}

#[test]
fn nothing_unusual_is_allowed_under_any_settings() {
    for thresholds in SPREAD {
        assert_eq!(assess(Signals::NONE, &Weights::default(), &thresholds).action, Action::Allow);
    }
}

#[test]
fn a_rule_of_no_weight_is_off() {
    for signal in Signal::ALL {
        let weights = Weights::default().with(signal, 0);
        for set in subsets() {
            let without: Signals = set.iter().filter(|one| *one != signal).collect();
            assert_eq!(assess(set, &weights, &SPREAD[0]).score, assess(without, &weights, &SPREAD[0]).score);
        }
    }
    assert_eq!(Weights::default().with(Signal::NewDevice, u32::MAX).of(Signal::NewDevice), Weights::MAX);
}

#[test]
fn an_address_alone_never_gets_past_a_note_by_default() {
    for moment in Moment::ALL {
        for set in subsets().filter(|set| set.iter().all(Signal::is_of_address)) {
            let action = assess(set, &Weights::default(), &moment.thresholds()).action;
            assert!(action <= Action::Notify, "{set:?}");
        }
        let moved: Signals = [Signal::NetworkChanged].into_iter().collect();
        assert_eq!(assess(moved, &Weights::default(), &moment.thresholds()).action, Action::Allow);
    }
}

#[test]
fn by_default_nothing_is_harsher_than_a_note() {
    for moment in Moment::ALL {
        for set in subsets() {
            assert!(assess(set, &Weights::default(), &moment.thresholds()).action <= Action::Notify);
        }
    }
}

#[test]
fn a_note_is_read_as_it_was_written() {
    for set in subsets() {
        for moment in Moment::ALL {
            for is_dry_run in [false, true] {
                let note =
                    RiskNote { moment, is_dry_run, assessment: assess(set, &Weights::default(), &SPREAD[0]) };
                assert_eq!(RiskNote::parse(&note.to_string()), Some(note), "{note}");
            }
        }
    }
    let one = RiskNote {
        moment: Moment::Refresh,
        is_dry_run: true,
        assessment: assess(
            [Signal::UserAgentChanged, Signal::NetworkChanged].into_iter().collect(),
            &Weights::default(),
            &SPREAD[0],
        ),
    };
    assert_eq!(one.to_string(), "dry_run notify at refresh, score 60: user_agent_changed network_changed");
    assert_eq!(
        one.says(),
        "the browser or system is another one than before; the network is another one than before"
    );
    for foreign in [
        "",
        "notify",
        "notify at noon, score 1: new_device",
        "notify at login, score x:",
        "notify at login, score 1: magic",
    ] {
        assert_eq!(RiskNote::parse(foreign), None, "{foreign}");
    }
}

#[test]
fn words_and_sentences_are_distinct_and_every_signal_has_its_moment() {
    for signal in Signal::ALL {
        assert_eq!(Signal::ALL.iter().filter(|other| other.as_str() == signal.as_str()).count(), 1);
        assert!(!signal.says().ends_with('.') && signal.about().ends_with('.'));
        assert!(Moment::ALL.into_iter().any(|moment| signal.is_of(moment)));
    }
}

#[test]
fn a_network_is_a_24_or_a_48() {
    for (one, other, expected) in [
        ("192.0.2.0", "192.0.2.255", true),
        ("192.0.2.255", "192.0.3.0", false),
        ("::ffff:192.0.2.1", "192.0.2.9", true),
        ("2001:db8:1::1", "2001:db8:1:ffff::1", true),
        ("2001:db8:1:ffff:ffff::", "2001:db8:2::", false),
        ("192.0.2.1", "2001:db8::1", false),
    ] {
        assert_eq!(is_same_network(one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
    }
}
