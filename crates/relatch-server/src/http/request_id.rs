//! The name of a request: the caller's own where it is sane, a random one otherwise.

use crate::environment::{Entropy, EntropyExt};
use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// The header that carries it, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of one request, in its answer, its problem and its log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The one that the caller sent, or a new one.
    ///
    /// A caller's own is kept when it is a word of at most 64 characters and no secret of ours: it lands in
    /// logs, where it must neither break a line nor grow without bound.
    pub fn choose(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let sent = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent.filter(|id| is_sane(id)) {
            Some(id) => Self(id.into()),
            None => Self(Base64UrlUnpadded::encode_string(&entropy.array::<12>()).into()),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a header.
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

fn is_sane(id: &str) -> bool {
    (1..=CALLERS_OWN_BYTES_MAX).contains(&id.len())
        && !OWN_SECRETS.iter().any(|prefix| id.contains(prefix))
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
}

/// Room for a UUID or a W3C trace id, with something in front.
const CALLERS_OWN_BYTES_MAX: usize = 64;
/// How refresh tokens, API keys and mailed links begin: someone may have put one into the wrong header.
const OWN_SECRETS: [&str; 3] = ["rlt_", "rlk_", "rll_"];

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            (0u8..).zip(bytes).for_each(|(n, byte)| *byte = n);
        }
    }

    fn chosen(sent: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(sent).unwrap());
        RequestId::choose(&headers, &Counting).as_str().to_owned()
    }

    #[test]
    fn a_sane_id_of_the_caller_is_kept() {
        for id in ["a", "7f0c-4e", "01H.x:y/z+=", &"x".repeat(64)] {
            assert_eq!(chosen(id.as_bytes()), id);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let own = RequestId::choose(&HeaderMap::new(), &Counting);
        assert_eq!(own.as_str(), "AAECAwQFBgcICQoL");
        for id in [&b""[..], b"a b", b"\xffx", b"a\"b", "x".repeat(65).as_bytes(), b"<script>"] {
            assert_eq!(chosen(id), own.as_str());
        }
        for secret in ["rlt_AAEC", "rlk_AAEC", "rll_AAEC", "key=rlk_AAEC"] {
            assert_eq!(chosen(secret.as_bytes()), own.as_str());
        }
    }
}
