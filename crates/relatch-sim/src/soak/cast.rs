//! Who and what takes part in one soak: drawn from the seed before anything happens.

use crate::device::Manners;
use crate::dice::{Dice, Room};
use crate::network::Weather;
use crate::rule::{DoorKind, EndReason, HOUR, SECOND};
use crate::store::FaultProfile;
use crate::timeline::Millis;
use relatch_core::Windows;
use relatch_token::Seconds;

/// A whole mixture.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// How long it storms.
    pub(crate) storm: Millis,
    /// People with an account.
    pub(crate) users: usize,
    /// The reuse windows.
    pub(crate) windows: Windows,
    /// The network.
    pub(crate) weather: Weather,
    /// The store's troubles.
    pub(crate) faults: FaultProfile,
    /// Devices.
    pub(crate) devices: Vec<DeviceRole>,
    /// Thieves.
    pub(crate) thieves: Vec<ThiefRole>,
    /// Ends of all sessions of a user: when, whose, why.
    pub(crate) ends: Vec<(Millis, usize, EndReason)>,
    /// Crashes: when, and how many moves of heads they lose.
    pub(crate) crashes: Vec<(Millis, usize)>,
    /// Outages of the store: from, to.
    pub(crate) outages: Vec<(Millis, Millis)>,
    /// Steps of the server's clock.
    pub(crate) steps: Vec<(Millis, Millis)>,
}

/// A device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceRole {
    pub(crate) user: usize,
    pub(crate) door: DoorKind,
    pub(crate) manners: Manners,
    pub(crate) tabs: usize,
    /// How long a tab rests: from, to.
    pub(crate) rest: (Millis, Millis),
    /// When all its tabs wake up at once.
    pub(crate) restores_at: Option<Millis>,
    /// When somebody logs out on it.
    pub(crate) logs_out_at: Option<Millis>,
    /// Whether a forger works at it.
    pub(crate) has_forger: bool,
}

/// A thief.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThiefRole {
    pub(crate) device: usize,
    pub(crate) steals_at: Millis,
    /// How long he rests: from, to.
    pub(crate) rest: (Millis, Millis),
    pub(crate) is_polite: bool,
    /// How often in a thousand he presents any of his tokens and not the newest, or copies again.
    pub(crate) whims_per_mille: u64,
}

impl Cast {
    /// The cast of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed, Room::Cast);
        let storm = dice.between((1, 6)) * HOUR;
        let users = dice.between((1, 3)) as usize;
        let devices: Vec<DeviceRole> =
            (0..dice.between((1, 4))).map(|number| device(&dice, number as u8, users, storm)).collect();
        let thieves = match dice.below(3) {
            0 => Vec::new(),
            count => (0..count).map(|_| thief(&dice, devices.len(), storm)).collect(),
        };
        let some = |per_mille, most| if dice.comes_up(per_mille) { dice.between((1, most)) } else { 0 };
        let ends =
            (0..some(500, 2)).map(|_| (instant(&dice, storm), user(&dice, users), end(&dice))).collect();
        let crashes =
            (0..some(500, 3)).map(|_| (instant(&dice, storm), dice.between((0, 2)) as usize)).collect();
        let outages = (0..some(500, 2)).map(|_| outage(&dice, storm)).collect();
        let steps = (0..some(300, 2)).map(|_| (instant(&dice, storm), step(&dice))).collect();
        let (cookie, body) = dice.pick(&[(30, 10), (30, 10), (30, 10), (0, 0), (5, 30)]);
        Self {
            storm,
            users,
            windows: Windows { cookie: Seconds(cookie), body: Seconds(body) },
            weather: weather(&dice),
            faults: faults(&dice),
            devices,
            thieves,
            ends,
            crashes,
            outages,
            steps,
        }
    }
}

fn device(dice: &Dice, number: u8, users: usize, storm: Millis) -> DeviceRole {
    let is_browser = dice.comes_up(650);
    let door = if is_browser { DoorKind::Cookie(Some([number; 8])) } else { DoorKind::Body };
    let maybe = |per_mille| dice.comes_up(per_mille).then(|| instant(dice, storm));
    DeviceRole {
        user: user(dice, users),
        door,
        manners: dice.pick(&[
            Manners::Ours,
            Manners::Ours,
            Manners::Ours,
            Manners::NaiveWithAttempt,
            Manners::Naive,
        ]),
        tabs: if is_browser { dice.pick(&[1, 1, 2, 3, 8]) } else { dice.pick(&[1, 1, 2]) },
        rest: dice.pick(&[
            (600 * SECOND, 800 * SECOND),
            (600 * SECOND, 800 * SECOND),
            (60 * SECOND, 2 * HOUR),
            (5 * SECOND, 120 * SECOND),
        ]),
        restores_at: maybe(300),
        logs_out_at: maybe(200),
        has_forger: dice.comes_up(250),
    }
}

fn thief(dice: &Dice, devices: usize, storm: Millis) -> ThiefRole {
    ThiefRole {
        device: user(dice, devices),
        steals_at: instant(dice, storm),
        rest: dice.pick(&[(SECOND, 40 * SECOND), (600 * SECOND, 800 * SECOND), (60 * SECOND, 2 * HOUR)]),
        is_polite: dice.comes_up(700),
        whims_per_mille: dice.pick(&[0, 0, 100, 500]),
    }
}

fn weather(dice: &Dice) -> Weather {
    let is_bad = dice.comes_up(600);
    let often = |most: u64| if is_bad { dice.below(most) } else { 0 };
    Weather {
        latency: dice.pick(&[(1, 30), (1, 300), (20, 1500)]),
        straggle_per_mille: often(30),
        straggle: (SECOND, 15 * SECOND),
        request_lost_per_mille: often(100),
        answer_lost_per_mille: often(150),
        copied_per_mille: often(100),
    }
}

fn faults(dice: &Dice) -> FaultProfile {
    let is_bad = dice.comes_up(500);
    let often = |most: u64| if is_bad { dice.below(most) } else { 0 };
    FaultProfile {
        latency: dice.pick(&[(0, 0), (0, 5), (0, 60)]),
        slow_per_mille: often(30),
        slow: (SECOND, 12 * SECOND),
        unavailable_per_mille: often(100),
        unknown_per_mille: often(100),
    }
}

fn outage(dice: &Dice, storm: Millis) -> (Millis, Millis) {
    let from = instant(dice, storm);
    (from, (from + dice.between((SECOND, HOUR))).min(storm))
}

/// Mostly what a clock is put right by; sometimes an operator's mistake.
fn step(dice: &Dice) -> Millis {
    let most = dice.pick(&[2 * SECOND, 2 * SECOND, HOUR]);
    dice.between((-most, most))
}

fn end(dice: &Dice) -> EndReason {
    dice.pick(&[
        EndReason::LogOutAll,
        EndReason::LogOutAll,
        EndReason::PasswordChanged,
        EndReason::PasswordChanged,
        EndReason::Disabled,
    ])
}

fn user(dice: &Dice, users: usize) -> usize {
    dice.below(users as u64) as usize
}

fn instant(dice: &Dice, storm: Millis) -> Millis {
    dice.between((60 * SECOND, storm))
}
