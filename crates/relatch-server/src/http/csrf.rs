//! Proof that a page of ours asks: needed wherever a cookie acts or is set.

use super::code;
use super::origins::Origins;
use super::problem::Problem;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderName};

/// Refuses a request that no page of ours sent: `403 csrf_check_failed`.
///
/// Both headers are set by the browser and can't be set by a page. Either is enough; a page of another origin,
/// be it of the same site, counts only where it is listed.
pub fn check(headers: &HeaderMap, origins: &Origins) -> Result<(), Problem> {
    let is_same_origin = only(headers, &SEC_FETCH_SITE).is_some_and(|site| site == b"same-origin");
    let is_listed = only(headers, &ORIGIN).is_some_and(|origin| origins.contains(origin));
    if is_same_origin || is_listed { Ok(()) } else { Err(Problem::new(&code::CSRF_CHECK_FAILED)) }
}

/// The header's value, where it came exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(|value| value.as_bytes())
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(sent: &[(&'static str, &str)]) -> bool {
        let origins = Origins::of_test("https://id.example.com", &["https://app.example.com"]);
        let headers =
            sent.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        check(&map, &origins).is_ok()
    }

    #[test]
    fn our_own_page_and_a_listed_one_pass() {
        assert!(passes(&[("sec-fetch-site", "same-origin")]));
        assert!(passes(&[("origin", "https://id.example.com")]));
        assert!(passes(&[("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")]));
        assert!(passes(&[("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn anything_else_is_refused() {
        for sent in [
            &[][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "SAME-ORIGIN")],
            &[("origin", "null")],
            &[("origin", "https://evil.example.com"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://app.example.com.evil.test")],
            &[("origin", "https://app.example.com:443")],
            &[("origin", "http://app.example.com")],
            &[("origin", "https://app.example.com"), ("origin", "https://evil.test")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!passes(sent), "{sent:?}");
        }
    }
}
