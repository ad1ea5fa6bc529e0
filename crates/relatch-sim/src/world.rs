//! A world: one server under some rule, one network, one time.

use crate::network::{Network, Weather};
use crate::plant::Plant;
use crate::rivals::Rival;
use crate::rule::{Rule, SECOND};
use crate::shell::{Shell, ShellOptions, WINDOWS};
use crate::store::{FaultProfile, Faults, StoreKind};
use crate::timeline::{Stage, Timeline};
use anyhow::Result;
use relatch_core::Windows;
use relatch_server::tokens::AccessSigner;
use relatch_token::Seconds;
use std::rc::Rc;
use std::sync::Arc;

/// Which refresh rule the server follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// Fork-evident rotation: the real shell.
    Ours,
    /// Every token once.
    Strict,
    /// Every token once, and the same successor again within a window.
    SameSuccessor,
}

/// What a world is made of.
#[derive(Clone)]
pub(crate) struct WorldOptions {
    /// All its chance.
    pub(crate) seed: u64,
    /// The server's rule.
    pub(crate) kind: RuleKind,
    /// The windows of our rule; the cookie's is the rivals'.
    pub(crate) windows: Windows,
    /// The network.
    pub(crate) weather: Weather,
    /// The store's troubles.
    pub(crate) faults: FaultProfile,
    /// The store.
    pub(crate) store: StoreKind,
    /// Who signs access tokens.
    pub(crate) signer: Arc<dyn AccessSigner>,
    /// A bug, planted on purpose.
    pub(crate) plant: Option<Plant>,
    /// How many people have an account.
    pub(crate) users: usize,
}

impl WorldOptions {
    /// A world in which nothing goes wrong by itself.
    pub(crate) fn calm(seed: u64, kind: RuleKind, signer: Arc<dyn AccessSigner>) -> Self {
        Self {
            seed,
            kind,
            windows: WINDOWS,
            weather: Weather::default(),
            faults: FaultProfile::default(),
            store: StoreKind::Memory,
            signer,
            plant: None,
            users: 1,
        }
    }

    /// The same with one window for both transports.
    pub(crate) fn window(mut self, seconds: u32) -> Self {
        self.windows = Windows { cookie: Seconds(seconds), body: Seconds(seconds) };
        self
    }
}

/// A world. It lives on one thread.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) timeline: Timeline,
    pub(crate) stage: Stage,
    pub(crate) rule: Rc<dyn Rule>,
    pub(crate) network: Network,
    pub(crate) faults: Arc<Faults>,
    /// Our shell, where it is the rule: it can be made to crash, and its clock to jump.
    pub(crate) shell: Option<Rc<Shell>>,
}

impl World {
    /// A world right before the first login.
    pub(crate) fn new(options: &WorldOptions) -> Result<Self> {
        let timeline = Timeline::default();
        let stage = Stage::new(timeline.clone());
        let faults = Arc::new(Faults::new(options.seed, options.faults));
        let window = i64::from(options.windows.cookie.0) * SECOND;
        let mut shell = None;
        let rule: Rc<dyn Rule> = match options.kind {
            RuleKind::Strict => Rc::new(Rival::strict(options.seed, timeline.clone())),
            RuleKind::SameSuccessor => Rc::new(Rival::same_successor(options.seed, timeline.clone(), window)),
            RuleKind::Ours => {
                let ours = ShellOptions {
                    users: options.users,
                    windows: options.windows,
                    store: options.store,
                    signer: Arc::clone(&options.signer),
                    plant: options.plant,
                };
                let ours =
                    Shell::new(options.seed, &ours, Arc::clone(&faults), stage.clone(), timeline.clone())?;
                let ours = Rc::new(ours);
                shell = Some(Rc::clone(&ours));
                ours
            }
        };
        let network =
            Network::new(options.seed, options.weather, Rc::clone(&rule), stage.clone(), timeline.clone());
        Ok(Self { timeline, stage, rule, network, faults, shell })
    }
}
