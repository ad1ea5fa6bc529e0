//! When two states of the world are one.

use crate::cast::THIEFS_ATTEMPT;
use crate::world::{WINDOW, World, attempt_of, is_login};
use relatch_core::{Head, SIBLING_WINDOWS, State};
use relatch_token::{AttemptHash, Nonce, RefreshToken, Timestamp};
use std::hash::{DefaultHasher, Hasher};

/// Writes a state down so that two that differ only in the names of their nonces and attempts, or in when
/// things happened beyond two windows, come out the same.
#[derive(Default)]
pub(crate) struct Names {
    /// Whether there is a thief, so that it matters how often an answer was lost.
    excuses_count: bool,
    text: Vec<u8>,
    nonces: Vec<Nonce>,
    attempts: Vec<u16>,
}

impl Names {
    /// For worlds with a thief or without one.
    pub(crate) fn new(excuses_count: bool) -> Self {
        Self { excuses_count, ..Self::default() }
    }

    /// 128 bits of the canonical text: among ten million states the odds of any two being mixed up are
    /// about one in 2^80.
    pub(crate) fn fingerprint(&mut self, world: &World) -> (u64, u64) {
        self.text.clear();
        self.nonces.clear();
        self.attempts.clear();
        self.world(world);
        let hash = |seed| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(seed);
            hasher.write(&self.text);
            hasher.finish()
        };
        (hash(0), hash(1))
    }

    fn world(&mut self, world: &World) {
        let flags =
            [world.state == State::Live, world.duplicated, world.writes_lost, world.stolen, world.thief_came];
        self.text.push(flags.iter().fold(0, |bits, flag| bits << 1 | u8::from(*flag)));
        self.text.extend([
            world.mover as u8,
            u8::from(world.served[0]),
            u8::from(world.served[1]),
            world.shared,
            if self.excuses_count { world.excuses } else { 0 },
            world.undo.len() as u8,
            world.loot.len() as u8,
        ]);
        self.head(world, &world.head);
        for head in &world.undo {
            self.head(world, head);
        }
        self.token(world, &world.jar);
        self.attempt(world.attempt);
        for token in &world.loot {
            self.token(world, token);
        }
        let mut flight: Vec<_> = world.flight.iter().collect();
        flight.sort_by_key(|it| (it.kind, it.seconds_left, it.token.generation, it.token.issued_at));
        for message in flight {
            self.text.extend([message.kind as u8, message.seconds_left]);
            self.token(world, &message.token);
            self.attempt(message.attempt);
        }
    }

    fn head(&mut self, world: &World, head: &Head) {
        let behind = world.head.generation.0 - head.generation.0;
        self.text.extend([behind as u8, u8::from(is_login(head)), age(world, head.at)]);
        self.nonce(head.nonce);
        self.nonce(head.parent);
        self.attempt(head.attempt);
    }

    fn token(&mut self, world: &World, token: &RefreshToken) {
        let ahead = token.generation.0.wrapping_sub(world.head.generation.0) as u8;
        self.text.extend([ahead, age(world, token.issued_at)]);
        self.nonce(token.nonce);
        self.nonce(token.parent);
    }

    fn nonce(&mut self, nonce: Nonce) {
        let name = name(&mut self.nonces, nonce);
        let attempt = attempt_of(nonce);
        self.text.push(name);
        self.attempt_number(attempt);
    }

    fn attempt(&mut self, attempt: Option<AttemptHash>) {
        match attempt {
            None => self.text.push(NOBODY),
            Some(attempt) => self.attempt_number(u16::from_be_bytes([attempt.0[6], attempt.0[7]])),
        }
    }

    fn attempt_number(&mut self, attempt: u16) {
        let thiefs = u16::from_be_bytes([THIEFS_ATTEMPT.0[6], THIEFS_ATTEMPT.0[7]]);
        let name = if attempt == thiefs { THIEF } else { name(&mut self.attempts, attempt) };
        self.text.push(name);
    }
}

/// Seconds since then, where everything beyond the longest span that the rule asks about is alike.
fn age(world: &World, at: Timestamp) -> u8 {
    let millis = world.now.millis_since(at);
    (millis.min(SIBLING_WINDOWS * WINDOW.as_millis() + 1000) / 1000) as u8
}

fn name<T: PartialEq>(names: &mut Vec<T>, one: T) -> u8 {
    let place = names.iter().position(|named| *named == one).unwrap_or_else(|| {
        names.push(one);
        names.len() - 1
    });
    place as u8
}

const NOBODY: u8 = 0xFE;
const THIEF: u8 = 0xFF;
