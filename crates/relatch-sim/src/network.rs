//! The way between clients and the server: it takes its time, loses, copies and overtakes.

use crate::dice::{Dice, Room};
use crate::history::{CallId, Chronicle, Leg, Party, What};
use crate::rule::{Answer, Request, Rule};
use crate::timeline::{Millis, Stage, Timeline};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::oneshot;

/// How the network behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// How long a message takes: from, to. Different times make them overtake each other.
    pub(crate) latency: (Millis, Millis),
    /// How many messages in a thousand take [`Weather::straggle`] on top.
    pub(crate) straggle_per_mille: u64,
    /// From, to.
    pub(crate) straggle: (Millis, Millis),
    /// How many requests in a thousand never arrive.
    pub(crate) request_lost_per_mille: u64,
    /// How many answers in a thousand never do.
    pub(crate) answer_lost_per_mille: u64,
    /// How many requests in a thousand arrive twice.
    pub(crate) copied_per_mille: u64,
}

/// How often it misbehaved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WeatherCounts {
    /// Requests that never arrived.
    pub(crate) requests_lost: u64,
    /// Answers that never did.
    pub(crate) answers_lost: u64,
    /// Requests that arrived twice.
    pub(crate) copies: u64,
    /// Messages that took very long.
    pub(crate) stragglers: u64,
}

/// The network; clones are the same one.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) timeline: Timeline,
    pub(crate) stage: Stage,
    pub(crate) rule: Rc<dyn Rule>,
    pub(crate) chronicle: Chronicle,
    dice: Dice,
    weather: Rc<Cell<Weather>>,
    counts: Rc<RefCell<WeatherCounts>>,
}

impl Network {
    /// A network before a server.
    pub(crate) fn new(
        seed: u64,
        weather: Weather,
        rule: Rc<dyn Rule>,
        stage: Stage,
        timeline: Timeline,
    ) -> Self {
        Self {
            chronicle: Chronicle::new(timeline.clone()),
            timeline,
            stage,
            rule,
            dice: Dice::new(seed, Room::Network),
            weather: Rc::new(Cell::new(weather)),
            counts: Rc::default(),
        }
    }

    /// Sends a request and waits for its answer; `None` where none came in time. The chronicle has its number.
    pub(crate) async fn call(&self, party: Party, request: Request, patience: Millis) -> Option<Answer> {
        let call = self.chronicle.asked(party, request.clone());
        let weather = self.weather.get();
        if self.dice.comes_up(weather.copied_per_mille) {
            self.counts.borrow_mut().copies += 1;
            let (network, request) = (self.clone(), request.clone());
            self.stage.spawn(async move {
                // Nobody hears what becomes of a copy.
                let _ = network.carry(call, request, true).await;
            });
        }
        let (sender, receiver) = oneshot::channel();
        let network = self.clone();
        self.stage.spawn(async move {
            match network.carry(call, request, false).await {
                Ok(answer) => {
                    if sender.send(answer).is_err() {
                        network.lost(call, false, Leg::Answer);
                    }
                }
                Err(Leg::Server) => {}
                // A crash breaks the connection, and the caller notices; what is lost is only waited for in vain.
                Err(Leg::Request | Leg::Answer) => network.timeline.sleep(patience).await,
            }
        });
        let Some(Ok(answer)) = self.timeline.within(patience, receiver).await else {
            self.chronicle.note(What::GaveUp(call));
            return None;
        };
        self.chronicle.got(call, answer.clone());
        Some(answer)
    }

    /// The weather changes.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.set(weather);
    }

    /// From now on everything arrives, once and soon.
    pub(crate) fn clear_up(&self) {
        self.set(Weather { latency: (1, 20), ..Weather::default() });
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> WeatherCounts {
        *self.counts.borrow()
    }

    /// One request to the server and its answer back; or where it was lost.
    async fn carry(&self, call: CallId, request: Request, is_copy: bool) -> Result<Answer, Leg> {
        let weather = self.weather.get();
        self.travel(weather).await;
        if self.dice.comes_up(weather.request_lost_per_mille) {
            self.counts.borrow_mut().requests_lost += 1;
            self.lost(call, is_copy, Leg::Request);
            return Err(Leg::Request);
        }
        let Some(reply) = self.rule.serve(request).await else {
            self.lost(call, is_copy, Leg::Server);
            return Err(Leg::Server);
        };
        let answer = reply.answer.clone();
        self.chronicle.note(What::Decided { call, is_copy, reply });
        self.travel(weather).await;
        if is_copy || self.dice.comes_up(weather.answer_lost_per_mille) {
            self.counts.borrow_mut().answers_lost += u64::from(!is_copy);
            self.lost(call, is_copy, Leg::Answer);
            return Err(Leg::Answer);
        }
        Ok(answer)
    }

    fn lost(&self, call: CallId, is_copy: bool, leg: Leg) {
        self.chronicle.note(What::Lost { call, is_copy, leg });
    }

    async fn travel(&self, weather: Weather) {
        let mut millis = self.dice.between(weather.latency);
        if self.dice.comes_up(weather.straggle_per_mille) {
            self.counts.borrow_mut().stragglers += 1;
            millis += self.dice.between(weather.straggle);
        }
        self.timeline.sleep(millis).await;
    }
}
