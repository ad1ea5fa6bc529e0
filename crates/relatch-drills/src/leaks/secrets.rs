//! Every secret that was issued or sent, and the search for any of them.

use aho_corasick::AhoCorasick;
use anyhow::Result;
use base64ct::{Base64UrlUnpadded, Encoding};
use std::collections::BTreeMap;

/// What kind of secret a needle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Password,
    RefreshToken,
    AccessToken,
    DeviceCookie,
    ApiKey,
    ClientSecret,
    LinkToken,
    Seed,
    MasterKey,
    /// The bytes that one of the others decodes to.
    Decoded,
}

/// All secrets so far, as the bytes to look for.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<Vec<u8>, Kind>);

impl Secrets {
    /// Remembers a secret in every form in which it could turn up: as it is, its last part alone (nobody may
    /// write fragments either), and the bytes that it stands for.
    pub(crate) fn add(&mut self, kind: Kind, text: &str) {
        self.0.insert(text.as_bytes().to_vec(), kind);
        let tail = &text[text.len().saturating_sub(TAIL_CHARS)..];
        self.0.insert(tail.as_bytes().to_vec(), kind);
        if kind == Kind::Password {
            return;
        }
        let coded = match (kind, text.split_once('_'), text.rsplit_once('.')) {
            (Kind::AccessToken, _, Some((_, signature))) => signature,
            // Behind a prefix such as `rlt_`.
            (_, Some((prefix, rest)), _) if prefix.len() == PREFIX_CHARS => rest,
            _ => text,
        };
        // The last bytes are the ones that nobody can guess: MAC, signature, random part.
        let bytes = Base64UrlUnpadded::decode_vec(coded).unwrap_or_default();
        if let Some(tail) = bytes.last_chunk::<TAIL_BYTES>() {
            self.0.insert(tail.to_vec(), Kind::Decoded);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Builds the search for all of them.
    pub(crate) fn search(&self) -> Result<Search> {
        let needles = AhoCorasick::new(self.0.keys())?;
        Ok(Search { needles, kinds: self.0.values().copied().collect() })
    }
}

/// A search for every secret at once.
pub(crate) struct Search {
    needles: AhoCorasick,
    kinds: Vec<Kind>,
}

/// A secret where none may be.
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    /// Where it begins.
    at: usize,
    /// What stands around it, the secret itself left out.
    around: String,
}

impl Search {
    /// Every place in `haystack` where a secret begins.
    pub(crate) fn hits(&self, haystack: &[u8]) -> Vec<Hit> {
        let hit = |found: aho_corasick::Match| {
            let before = &haystack[found.start().saturating_sub(AROUND_BYTES)..found.start()];
            let after = &haystack[found.end()..haystack.len().min(found.end() + AROUND_BYTES)];
            let around = format!("{}[here]{}", printable(before), printable(after));
            Hit { kind: self.kinds[found.pattern().as_usize()], at: found.start(), around }
        };
        self.needles.find_iter(haystack).map(hit).collect()
    }
}

impl Hit {
    /// The hit as a line.
    pub(crate) fn story(&self, place: &str) -> String {
        format!("{:?} in {place} at byte {}: {}", self.kind, self.at, self.around)
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }).collect()
}

const PREFIX_CHARS: usize = 3;
const TAIL_CHARS: usize = 20;
const TAIL_BYTES: usize = 16;
const AROUND_BYTES: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_whole_in_part_and_in_its_bytes_but_never_shown() {
        let text = "rlt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let mut secrets = Secrets::default();
        secrets.add(Kind::RefreshToken, text);
        let search = secrets.search().unwrap();
        let raw: Vec<u8> = (0..32).collect();
        let tail = &text.as_bytes()[text.len() - TAIL_CHARS..];
        let forms =
            [(text.as_bytes(), Kind::RefreshToken), (tail, Kind::RefreshToken), (&raw, Kind::Decoded)];
        for (form, kind) in forms {
            let hits = search.hits(&[b"token=", form, b"\""].concat());
            assert_eq!(hits.len(), 1);
            assert_eq!(hits[0].kind, kind);
            let story = hits[0].story("a log");
            assert!(story.contains("token=") && !story.contains(&text[text.len() - 8..]), "{story}");
        }
        assert!(search.hits(&text.as_bytes()[..40]).is_empty());
        assert!(search.hits(b"rlt_").is_empty());
    }

    #[test]
    fn a_password_is_found_as_it_was_typed() {
        let mut secrets = Secrets::default();
        secrets.add(Kind::Password, "four words of ada");
        assert_eq!(secrets.search().unwrap().hits(b"?password=four words of ada&").len(), 1);
    }
}
