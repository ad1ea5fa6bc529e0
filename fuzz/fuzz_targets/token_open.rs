//! Refresh tokens: what opens was sealed by us, to the last character of its text.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use libfuzzer_sys::fuzz_target;
use relatch_fuzz::{edited, edited_text, text};
use relatch_token::{
    Generation, KeyRing, MasterKey, Nonce, REFRESH_TOKEN_PREFIX, RefreshToken, SealedToken, Secret,
    SessionId, SessionSecret, Timestamp,
};
use std::sync::LazyLock;

fuzz_target!(|input: (u8, [u8; 16], [u64; 4], &[u8])| {
    let (way, session_id, [generation, nonce, parent, issued_at], rest) = input;
    let token = RefreshToken {
        session_id: SessionId::from_bytes(session_id),
        generation: Generation(generation),
        nonce: Nonce(nonce.to_be_bytes()),
        parent: Nonce(parent.to_be_bytes()),
        issued_at: Timestamp::from_millis(issued_at.cast_signed()),
    };
    let genuine = seal(&token);
    assert_eq!(open(&genuine), Some(token));

    let presented = match way % 3 {
        0 => text(rest),
        1 => edited_text(&genuine, rest),
        // Behind the alphabet: every bit of what is encoded, in its one right spelling.
        _ => {
            let encoded = genuine.trim_start_matches(REFRESH_TOKEN_PREFIX);
            let bytes = Base64UrlUnpadded::decode_vec(encoded).expect("our own encoding");
            let changed = Base64UrlUnpadded::encode_string(&edited(&bytes, rest));
            format!("{REFRESH_TOKEN_PREFIX}{changed}")
        }
    };
    if let Some(opened) = open(&presented) {
        assert_eq!(seal(&opened), presented, "a second spelling of a token, or a forged one");
    }
});

fn open(text: &str) -> Option<RefreshToken> {
    let sealed = SealedToken::parse(text, &RING).ok()?;
    let session_id = sealed.session_id();
    let token = sealed.open(&RING, &SECRET).ok()?;
    assert_eq!(token.session_id, session_id);
    Some(token)
}

fn seal(token: &RefreshToken) -> String {
    let keys = RING.session(RING.current_id(), &SECRET).expect("the current key is there");
    token.seal(&RING, &keys).expect("the current key is there").expose().clone()
}

static SECRET: LazyLock<SessionSecret> = LazyLock::new(|| Secret::new([7; 16]));
static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let master = |id, byte| MasterKey { id, secret: Secret::new([byte; 32]) };
    KeyRing::new(b"fuzz", vec![master(2, 2), master(1, 1)]).expect("two keys with two numbers")
});
