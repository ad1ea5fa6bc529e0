//! One soak: a storm in which everything goes wrong, then a calm in which nothing does.

use super::Cast;
use super::cast::{DeviceRole, ThiefRole};
use crate::device::{Device, End};
use crate::dice::{Dice, Room};
use crate::history::{History, Party, What};
use crate::network::WeatherCounts;
use crate::plant::Plant;
use crate::rule::{Answer, EndReason, HOUR, Request, SECOND};
use crate::store::{FaultCounts, StoreKind};
use crate::thief::{self, Thief};
use crate::timeline::Millis;
use crate::world::{RuleKind, World, WorldOptions};
use anyhow::Result;
use relatch_server::tokens::AccessSigner;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// How to soak.
#[derive(Clone)]
pub(crate) struct SoakOptions {
    /// The store.
    pub(crate) store: StoreKind,
    /// Who signs access tokens.
    pub(crate) signer: Arc<dyn AccessSigner>,
    /// A bug, planted on purpose.
    pub(crate) plant: Option<Plant>,
}

/// What came of a seed.
pub(crate) struct Played {
    /// Who took part.
    pub(crate) cast: Cast,
    /// What happened.
    pub(crate) history: History,
    /// How often the network misbehaved.
    pub(crate) weather: WeatherCounts,
    /// How often the store did.
    pub(crate) faults: FaultCounts,
}

/// Plays a seed.
pub(crate) fn play(seed: u64, options: &SoakOptions) -> Result<Played> {
    let cast = Cast::of(seed);
    let world = World::new(&WorldOptions {
        windows: cast.windows,
        weather: cast.weather,
        faults: cast.faults,
        store: options.store,
        plant: options.plant,
        users: cast.users,
        ..WorldOptions::calm(seed, RuleKind::Ours, Arc::clone(&options.signer))
    })?;
    let company = Company::new(seed, &cast, world.clone());
    world.stage.play(async move { company.perform().await });
    Ok(Played {
        cast,
        history: world.network.chronicle.history(),
        weather: world.network.counts(),
        faults: world.faults.counts(),
    })
}

#[derive(Clone)]
struct Company {
    cast: Rc<Cast>,
    world: World,
    dice: Dice,
    devices: Rc<Vec<Device>>,
    thieves: Rc<RefCell<Vec<(usize, Thief)>>>,
}

impl Company {
    fn new(seed: u64, cast: &Cast, world: World) -> Self {
        let dice = Dice::new(seed, Room::Actors);
        let device = |(number, role): (usize, &DeviceRole)| {
            Device::new(number, role.user, role.door, role.manners, world.network.clone(), dice.clone())
        };
        let devices = cast.devices.iter().enumerate().map(device).collect();
        Self { cast: Rc::new(cast.clone()), devices: Rc::new(devices), dice, thieves: Rc::default(), world }
    }

    async fn perform(&self) {
        for (device, role) in self.devices.iter().zip(&self.cast.devices) {
            for tab in 0..role.tabs {
                let (company, device, role) = (self.clone(), device.clone(), *role);
                self.world.stage.spawn(async move { company.live(&device, &role, tab).await });
            }
        }
        for role in &self.cast.thieves {
            let (company, role) = (self.clone(), *role);
            self.world.stage.spawn(async move { company.steal(role).await });
        }
        self.summon_faults();
        self.world.timeline.sleep_until(self.cast.storm).await;
        self.world.network.clear_up();
        self.world.faults.heal();
        self.world.network.chronicle.note(What::Calm);
        // What is still under way comes to its end, and every head settles, whatever the clock did.
        self.world.timeline.sleep(REST).await;
        self.calm().await;
    }

    /// A tab, as long as it storms.
    async fn live(&self, device: &Device, role: &DeviceRole, tab: usize) {
        let mut wakes_at = self.dice.between((0, 10 * SECOND));
        if tab == 0 {
            self.log_in(device).await;
        }
        loop {
            let now = self.world.timeline.now();
            let restores = role.restores_at.filter(|at| (now..=wakes_at).contains(at));
            wakes_at = restores.map_or(wakes_at, |at| at + 1 + self.dice.between((0, 5 * SECOND)));
            let leaves = role.logs_out_at.filter(|at| tab == 0 && (now..=wakes_at).contains(at));
            self.world.timeline.sleep_until(leaves.unwrap_or(wakes_at)).await;
            if self.world.timeline.now() >= self.cast.storm {
                return;
            }
            if leaves.is_some() {
                device.log_out(tab).await;
                // So that the same instant does not come twice.
                self.world.timeline.sleep(1).await;
            } else if device.jar().is_none() {
                if tab == 0 {
                    self.log_in(device).await;
                }
            } else if device.refresh(tab).await == End::Served && self.dice.comes_up(300) {
                device.look(tab).await;
            }
            if role.has_forger && tab == 0 {
                thief::forge(device, &self.world.network, &self.dice).await;
            }
            wakes_at = self.world.timeline.now() + self.dice.between(role.rest);
        }
    }

    async fn log_in(&self, device: &Device) {
        for _ in 0..LOGINS_MAX {
            if device.log_in(0).await != End::Later || self.world.timeline.now() >= self.cast.storm {
                return;
            }
            self.world.timeline.sleep(self.dice.between((SECOND, 60 * SECOND))).await;
        }
    }

    /// A thief, as long as it storms.
    async fn steal(&self, role: ThiefRole) {
        self.world.timeline.sleep_until(role.steals_at).await;
        let device = &self.devices[role.device];
        let (network, dice) = (self.world.network.clone(), self.dice.clone());
        let Some(mut thief) = Thief::of(device, role.is_polite, network, dice) else { return };
        let mut refusals = 0;
        while refusals < REFUSALS_MAX {
            self.world.timeline.sleep(self.dice.between(role.rest)).await;
            if self.world.timeline.now() >= self.cast.storm {
                break;
            }
            if self.dice.comes_up(role.whims_per_mille / 4) {
                thief.copy_again(device);
            }
            let answer = thief.visit(self.dice.comes_up(role.whims_per_mille)).await;
            refusals += usize::from(matches!(answer, Some(Answer::Refused(_))));
        }
        self.thieves.borrow_mut().push((role.device, thief));
    }

    fn summon_faults(&self) {
        for (at, count) in self.cast.crashes.clone() {
            self.at(at, move |company| {
                if let Some(shell) = &company.world.shell {
                    let moves_lost = shell.crash(count);
                    company.world.network.chronicle.note(What::Crash { moves_lost });
                }
            });
        }
        for (from, to) in self.cast.outages.clone() {
            for (at, is_down) in [(from, true), (to, false)] {
                self.at(at, move |company| {
                    company.world.faults.set_down(is_down);
                    company.world.network.chronicle.note(What::Store { is_down });
                });
            }
        }
        for (at, by) in self.cast.steps.clone() {
            self.at(at, move |company| {
                if let Some(shell) = &company.world.shell {
                    shell.clock().step(by);
                    company.world.network.chronicle.note(What::Clock { by });
                }
            });
        }
        for (at, user, reason) in self.cast.ends.clone() {
            let company = self.clone();
            self.world.stage.spawn(async move {
                company.world.timeline.sleep_until(at).await;
                company.end_all(user, reason).await;
            });
        }
    }

    fn at(&self, at: Millis, act: impl FnOnce(&Self) + 'static) {
        let company = self.clone();
        self.world.stage.spawn(async move {
            company.world.timeline.sleep_until(at).await;
            act(&company);
        });
    }

    async fn end_all(&self, user: usize, reason: EndReason) {
        // Whoever ends sessions tries again until it is acknowledged, or gives up.
        for _ in 0..ENDS_MAX {
            let request = Request::EndAll { user, reason };
            let answer = self.world.network.call(Party::Operator, request, 10 * SECOND).await;
            if answer == Some(Answer::Done) {
                return;
            }
            self.world.timeline.sleep(5 * SECOND).await;
        }
    }

    /// Three settled periods: every owner comes back, and half a period later every thief.
    async fn calm(&self) {
        for _ in 0..CALM_PERIODS {
            for device in &*self.devices {
                device.refresh(0).await;
            }
            self.world.timeline.sleep(HOUR / 2).await;
            let mut thieves = self.thieves.take();
            for (_, thief) in &mut thieves {
                thief.visit(false).await;
            }
            self.thieves.replace(thieves);
            self.world.timeline.sleep(HOUR / 2).await;
        }
    }
}

/// Longer than anything that began in the storm, and than the clock was moved.
const REST: Millis = 4 * HOUR;
/// DESIGN: owner and thief are never both served in three settled periods.
pub(super) const CALM_PERIODS: usize = 3;
const LOGINS_MAX: usize = 50;
/// A thief who is refused so often looks elsewhere, until the calm.
const REFUSALS_MAX: usize = 20;
const ENDS_MAX: usize = 30;
