//! Headers that keep browsers from doing more with an answer than it is for.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Adds them. A page brings a policy of its own, which is kept.
pub fn add(answer: &mut HeaderMap, is_tls: bool) {
    for (name, value) in ALWAYS {
        answer.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_tls {
        // RFC 6797 §7.2: not over plain HTTP. Subdomains are for their owners to decide.
        answer.entry(STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static("max-age=31536000"));
    }
}

const ALWAYS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // CORS decides who reads us; this stops what embeds us without asking (the Fetch standard, "CORP").
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_do_nothing_unless_it_says_so_itself() {
        let mut data = HeaderMap::new();
        add(&mut data, false);
        assert_eq!(data["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(data["x-content-type-options"], "nosniff");
        let own = HeaderValue::from_static("default-src 'none'; style-src 'sha256-x'");
        let mut page = HeaderMap::from_iter([(CONTENT_SECURITY_POLICY, own.clone())]);
        add(&mut page, false);
        assert_eq!(page[CONTENT_SECURITY_POLICY], own);
    }

    #[test]
    fn strict_transport_is_asked_for_over_tls_alone() {
        let (mut plain, mut tls) = (HeaderMap::new(), HeaderMap::new());
        add(&mut plain, false);
        add(&mut tls, true);
        assert!(!plain.contains_key(STRICT_TRANSPORT_SECURITY));
        assert_eq!(tls[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    }
}
