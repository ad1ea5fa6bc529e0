//! A thief: copies what a device holds, and comes back with it.

use crate::device::Device;
use crate::dice::Dice;
use crate::history::Party;
use crate::network::Network;
use crate::rule::{Answer, DoorKind, Request, SECOND};
use crate::timeline::Millis;

/// A thief of one device.
pub(crate) struct Thief {
    device: usize,
    door: DoorKind,
    /// What he holds, the newest last.
    loot: Vec<String>,
    /// Whether he names his attempts.
    is_polite: bool,
    attempts: u32,
    network: Network,
    dice: Dice,
}

impl Thief {
    /// A thief who has copied what `device` holds now, its device cookie included; `None` where it holds nothing.
    pub(crate) fn of(device: &Device, is_polite: bool, network: Network, dice: Dice) -> Option<Self> {
        let loot = vec![device.jar()?.refresh_token];
        Some(Self { device: device.number, door: device.door, loot, is_polite, attempts: 0, network, dice })
    }

    /// Copies once more.
    pub(crate) fn copy_again(&mut self, device: &Device) {
        self.loot.extend(device.jar().map(|jar| jar.refresh_token));
    }

    /// Presents the newest of what he holds, or any of it.
    pub(crate) async fn visit(&mut self, any: bool) -> Option<Answer> {
        let newest = self.loot.len() - 1;
        let which = if any { self.dice.below(self.loot.len() as u64) as usize } else { newest };
        self.attempts += 1;
        let attempt = self.is_polite.then(|| format!("thief {}/{}", self.device, self.attempts));
        let request = Request::Refresh { token: self.loot[which].clone(), door: self.door, attempt };
        let answer = self.network.call(Party::Thief(self.device), request, PATIENCE).await;
        if let Some(Answer::Served(grant)) = &answer {
            self.loot.push(grant.refresh_token.clone());
        }
        answer
    }
}

/// Presents what is not a token of this device: made up, cut, changed, or without its device cookie.
pub(crate) async fn forge(device: &Device, network: &Network, dice: &Dice) {
    let Some(jar) = device.jar() else { return };
    let token = jar.refresh_token;
    let last = token.len() - 1;
    let (token, door) = match dice.below(6) {
        0 => (token[..dice.below(last as u64) as usize].to_owned(), device.door),
        1 => (token + "A", device.door),
        2 => (changed(&token, dice), device.door),
        3 => ("rlt_".to_owned() + &"A".repeat(last - 3), device.door),
        _ => match device.door {
            DoorKind::Cookie(_) => (token, DoorKind::Cookie(dice.comes_up(500).then_some(*b"another!"))),
            DoorKind::Body => (token, DoorKind::Cookie(None)),
        },
    };
    let request = Request::Refresh { token, door, attempt: None };
    network.call(Party::Forger(device.number), request, PATIENCE).await;
}

/// The same text with one character that is another.
pub(crate) fn changed(token: &str, dice: &Dice) -> String {
    let at = dice.below(token.len() as u64) as usize;
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

const PATIENCE: Millis = 10 * SECOND;
