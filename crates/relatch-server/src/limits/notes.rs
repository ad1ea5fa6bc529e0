//! How many refusals of one session are written into its history.

use super::limiter::{Limiter, Quota};
use crate::environment::Entropy;
use relatch_core::Rule;
use relatch_token::{Seconds, SessionId, Timestamp};

/// The room that refusals have in the history of each session, apart for every rule: enough to tell the story,
/// and no more however often somebody repeats a dead token.
///
/// Only for genuine tokens: whoever holds none can't cause a note at all.
pub struct RefusalNotes(Limiter);

impl RefusalNotes {
    /// For at most `keys_max` sessions and rules at a time.
    pub fn new(keys_max: usize, entropy: &dyn Entropy) -> Self {
        Self(Limiter::new("refusal_notes", Quota::new(NOTES_MAX, WINDOW), keys_max, entropy))
    }

    /// Takes the room for one note of a refusal by this rule; `false` where there is none left.
    pub fn has_room(&self, session: SessionId, rule: Rule, now: Timestamp) -> bool {
        self.0.take_quietly(&(session, rule), now).is_ok()
    }
}

/// The first ones tell it all: who, from where, by which rule.
const NOTES_MAX: u32 = 3;
/// In which so many more may follow.
const WINDOW: Seconds = Seconds(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;

    #[test]
    fn a_dead_token_repeated_for_a_day_leaves_a_handful_of_notes_and_another_session_has_its_own() {
        let notes = RefusalNotes::new(1000, &OsEntropy::open().unwrap());
        let start = Timestamp::from_seconds(1_800_000_000);
        let [dead, other] = [1, 2].map(|byte| SessionId::from_bytes([byte; 16]));
        let noted = (0..86_400).filter(|n| notes.has_room(dead, Rule::Ended, start + Seconds(*n))).count();
        assert!((3..=6).contains(&noted), "{noted}");
        assert!(notes.has_room(dead, Rule::WrongDevice, start), "another rule is another story");
        assert!(notes.has_room(other, Rule::Ended, start));
    }
}
