//! Which language a page speaks: the one that was chosen, else the one that the browser asks for.

use super::texts::{DE, EN, Texts};
use http::header::{ACCEPT_LANGUAGE, COOKIE};
use http::{HeaderMap, HeaderValue};

/// Every language there is.
pub(super) const ALL: [&Texts; 2] = [&EN, &DE];

/// The language of a page: `chosen` in its address, or earlier (a cookie), or by `Accept-Language`.
pub(super) fn choose(chosen: Option<&str>, headers: &HeaderMap) -> &'static Texts {
    let earlier = || {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let values = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        values.filter(|(name, _)| *name == LANGUAGE).find_map(|(_, code)| known(code))
    };
    chosen.and_then(known).or_else(earlier).or_else(|| accepted(headers)).unwrap_or(&EN)
}

/// The cookie that remembers a choice made by `?lang=`.
pub(super) fn remember(chosen: &str) -> Option<HeaderValue> {
    let code = known(chosen)?.code;
    HeaderValue::try_from(format!("{LANGUAGE}={code}; {ATTRIBUTES}")).ok()
}

fn known(code: &str) -> Option<&'static Texts> {
    ALL.into_iter().find(|texts| texts.code == code)
}

/// The best of what the browser asks for (RFC 9110 §12.5.4); of `de-CH` we have `de`.
fn accepted(headers: &HeaderMap) -> Option<&'static Texts> {
    let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(f32, &'static Texts)> = None;
    for range in header.split(',').take(RANGES_MAX) {
        let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
        let weight: f32 = weight.trim().parse().unwrap_or(0.0);
        let primary = tag.trim().split('-').next().unwrap_or("").to_ascii_lowercase();
        let Some(texts) = known(&primary).filter(|_| weight > 0.0) else { continue };
        if best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, texts));
        }
    }
    best.map(|(_, texts)| texts)
}

const LANGUAGE: &str = "relatch-language";
const ATTRIBUTES: &str = "Path=/auth/pages; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax";
/// More than any browser sends.
const RANGES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(query: Option<&str>, cookie: &str, accept: &str) -> &'static str {
        let values = [(COOKIE, cookie), (ACCEPT_LANGUAGE, accept)];
        let headers = values.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect();
        choose(query, &headers).code
    }

    #[test]
    fn a_choice_counts_before_the_browsers_wish_and_nonsense_is_ignored() {
        assert_eq!(chosen(Some("de"), "relatch-language=en", "en"), "de");
        assert_eq!(chosen(Some("xx"), "a=b; relatch-language=de", "en"), "de");
        assert_eq!(chosen(None, "relatch-language=<script>", "de-CH, en;q=0.9"), "de");
        assert_eq!(chosen(None, "", ""), "en");
        assert_eq!(remember("de").unwrap().to_str().unwrap().split(';').next(), Some("relatch-language=de"));
        assert_eq!(remember("de; Domain=example.com"), None);
    }

    #[test]
    fn the_heaviest_language_that_we_have_is_spoken() {
        assert_eq!(chosen(None, "", "fr, de;q=0.5, en;q=0.7"), "en");
        assert_eq!(chosen(None, "", "fr, DE-at;q=0.8, en;q=0.7"), "de");
        assert_eq!(chosen(None, "", "de;q=0, en;q=0.1"), "en");
        assert_eq!(chosen(None, "", "de;q=much"), "en");
    }
}
