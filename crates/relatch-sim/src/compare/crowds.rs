//! The rows that are about chance: many tabs on one jar.

use super::hands::BROWSER;
use super::{Outcome, Trial};
use crate::device::{Device, End, Manners};
use crate::dice::{Dice, Room};
use crate::network::Weather;
use crate::rule::{HOUR, SECOND};
use crate::seeds;
use crate::timeline::Millis;
use crate::world::{World, WorldOptions};
use anyhow::Result;
use std::cell::Cell;
use std::rc::Rc;

/// Tabs that wake up at random.
#[derive(Clone, Copy)]
struct Crowd {
    tabs: usize,
    within: Millis,
    /// The longest a message takes, each way.
    latency: Millis,
}

pub(super) fn twenty_tabs(trial: &Trial) -> Result<Outcome> {
    every_seed(trial, Crowd { tabs: 20, within: 5 * SECOND, latency: SECOND })
}

pub(super) fn hundred_tabs(trial: &Trial) -> Result<Outcome> {
    every_seed(trial, Crowd { tabs: 100, within: 600 * SECOND, latency: SECOND / 2 })
}

fn every_seed(trial: &Trial, crowd: Crowd) -> Result<Outcome> {
    let kept =
        seeds::play(0..trial.options.seeds, || true, |seed| keeps_its_session(&trial.world(seed), crowd))?;
    Ok(Outcome::all(kept.iter().filter(|(_, is_kept)| *is_kept).count(), kept.len(), "served"))
}

/// Lets a crowd wake up after an hour of sleep; then one tab comes back an hour later, and an hour after that.
fn keeps_its_session(options: &WorldOptions, crowd: Crowd) -> Result<bool> {
    let world = World::new(options)?;
    let dice = Dice::new(options.seed, Room::Actors);
    let device = Device::new(0, 0, BROWSER, Manners::NaiveWithAttempt, world.network.clone(), dice.clone());
    let stage = world.stage.clone();
    Ok(stage.play(async move {
        let mut is_kept = device.log_in(0).await == End::Served;
        world.network.set(Weather {
            latency: (0, crowd.latency),
            answer_lost_per_mille: 50,
            ..Weather::default()
        });
        world.timeline.sleep(HOUR).await;
        let left = Rc::new(Cell::new(crowd.tabs));
        let is_lost = Rc::new(Cell::new(false));
        for tab in 0..crowd.tabs {
            let wakes_in = dice.between((0, crowd.within));
            let (device, world, left, is_lost) =
                (device.clone(), world.clone(), Rc::clone(&left), Rc::clone(&is_lost));
            world.stage.clone().spawn(async move {
                world.timeline.sleep(wakes_in).await;
                is_lost.set(is_lost.get() | !restores(&device, tab).await);
                left.set(left.get() - 1);
            });
        }
        while left.get() > 0 {
            world.timeline.sleep(SECOND).await;
        }
        is_kept &= !is_lost.get();
        world.network.clear_up();
        for _ in 0..2 {
            world.timeline.sleep(HOUR).await;
            is_kept &= device.refresh_once(0, RETRY_AFTER).await == End::Served;
        }
        is_kept
    }))
}

/// A tab without an answer asks again until it has one.
async fn restores(device: &Device, tab: usize) -> bool {
    for _ in 0..TRIES_MAX {
        match device.refresh_once(tab, RETRY_AFTER).await {
            End::Served => return true,
            End::Over => return false,
            End::Later => {}
        }
    }
    false
}

/// Longer than the longest round trip, shorter than the window.
const RETRY_AFTER: Millis = 5 * SECOND;
/// At 5 % lost, far more than it ever takes.
const TRIES_MAX: usize = 20;
