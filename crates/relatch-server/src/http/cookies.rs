//! Our cookies: read by exact name, every occurrence; written with every attribute.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use relatch_token::{Generation, Seconds, Secret, SessionId};

/// The cookies of ours that came with a request. Other people's are none of our business.
#[derive(Debug, Default)]
pub struct Cookies {
    /// Every different refresh cookie. A sibling subdomain can plant one beside ours.
    pub refresh: Vec<Secret<String>>,
    /// Every different device cookie.
    pub device: Vec<Secret<String>>,
    /// Whether the readable hint is there.
    pub has_hint: bool,
}

impl Cookies {
    /// Reads all `Cookie` headers (RFC 6265 §5.4; HTTP/2 may split them, RFC 9113 §8.2.3).
    pub fn read(headers: &HeaderMap) -> Self {
        let mut cookies = Self::default();
        let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        for pair in lines.flat_map(|line| line.split(|byte| *byte == b';')) {
            let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
            cookies.has_hint |= name == HINT.as_bytes();
            let known = match name {
                name if name == REFRESH.as_bytes() => &mut cookies.refresh,
                name if name == DEVICE.as_bytes() => &mut cookies.device,
                _ => continue,
            };
            // What is no UTF-8 is not ours either way, and still an occurrence.
            let value = Secret::new(String::from_utf8_lossy(value).into_owned());
            if !known.contains(&value) {
                known.push(value);
            }
        }
        cookies
    }

    /// The device cookie where there is exactly one: of two, nobody knows which is ours.
    pub fn only_device(&self) -> Option<&Secret<String>> {
        match self.device.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// Sets the refresh cookie. Without `max_age` it ends with the browser window.
pub fn refresh(token: &Secret<String>, max_age: Option<Seconds>) -> HeaderValue {
    cookie(REFRESH, token.expose(), REFRESH_ATTRIBUTES, max_age)
}

/// Sets the readable hint that a page looks at before it asks for a refresh.
pub fn hint(id: SessionId, generation: Generation, max_age: Option<Seconds>) -> HeaderValue {
    cookie(HINT, &format!("{id}.{}", generation.0), HINT_ATTRIBUTES, max_age)
}

/// Sets the device cookie, which outlives sessions: it tells a known device at the next login.
pub fn device(value: &Secret<String>) -> HeaderValue {
    cookie(DEVICE, value.expose(), DEVICE_ATTRIBUTES, Some(DEVICE_MAX_AGE))
}

/// Clears the refresh and the hint cookie, and nothing else.
pub fn cleared() -> [HeaderValue; 2] {
    let now = Some(Seconds(0));
    [cookie(REFRESH, "", REFRESH_ATTRIBUTES, now), cookie(HINT, "", HINT_ATTRIBUTES, now)]
}

fn cookie(name: &str, value: &str, attributes: &str, max_age: Option<Seconds>) -> HeaderValue {
    let mut text = format!("{name}={value}; {attributes}");
    if let Some(seconds) = max_age {
        text.push_str(&format!("; Max-Age={}", seconds.0));
    }
    let mut header = HeaderValue::try_from(text)
        .unwrap_or_else(|_| unreachable!("cookies hold base64url, digits, `_` and `.` of our own making"));
    header.set_sensitive(true);
    header
}

const REFRESH: &str = "__Secure-relatch-refresh";
const DEVICE: &str = "__Host-relatch-device";
const HINT: &str = "relatch-hint";
/// `Path=/auth` keeps the token out of ordinary requests. Browsers take `Secure` cookies from
/// `http://localhost` too, so development needs no other names.
const REFRESH_ATTRIBUTES: &str = "Path=/auth; Secure; HttpOnly; SameSite=Strict";
const DEVICE_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
const HINT_ATTRIBUTES: &str = "Path=/; Secure; SameSite=Lax";
/// 400 days, the longest that browsers grant (draft-ietf-httpbis-rfc6265bis §5.5).
const DEVICE_MAX_AGE: Seconds = Seconds(400 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> (Vec<String>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        let cookies = Cookies::read(&headers);
        let shown = |secrets: &[Secret<String>]| secrets.iter().map(|one| one.expose().clone()).collect();
        (shown(&cookies.refresh), shown(&cookies.device))
    }

    #[test]
    fn our_cookies_are_found_among_others_in_any_number_of_headers() {
        let (refresh, device) = read(&[
            b"a=b; __Secure-relatch-refresh=rlt_x; theme=\"dark\"",
            b"__Host-relatch-device=d1;c=;=;;x",
        ]);
        assert_eq!((refresh, device), (vec!["rlt_x".to_owned()], vec!["d1".to_owned()]));
    }

    #[test]
    fn names_match_by_exact_case_and_as_a_whole() {
        let none = (vec![], vec![]);
        assert_eq!(read(&[b"__secure-relatch-refresh=x; __HOST-relatch-device=y"]), none);
        assert_eq!(read(&[b"x__Secure-relatch-refresh=x; __Secure-relatch-refresh2=x"]), none);
        assert_eq!(read(&[b"__Secure-relatch-refresh"]), none);
        assert_eq!(read(&[]), none);
    }

    #[test]
    fn every_different_occurrence_counts_once() {
        let (refresh, _) = read(&[
            b"__Secure-relatch-refresh=a; __Secure-relatch-refresh=b; __Secure-relatch-refresh=a",
            b"__Secure-relatch-refresh=\xff",
        ]);
        assert_eq!(refresh, ["a", "b", "\u{fffd}"]);
        let mut cookies = Cookies { device: vec![Secret::new("a".to_owned())], ..Cookies::default() };
        assert!(cookies.only_device().is_some());
        cookies.device.push(Secret::new("b".to_owned()));
        assert!(cookies.only_device().is_none());
    }

    #[test]
    fn cookies_are_set_with_every_attribute() {
        let token = Secret::new("rlt_x".to_owned());
        let [no_refresh, no_hint] = cleared();
        let headers = [
            refresh(&token, Some(Seconds(60))),
            refresh(&token, None),
            hint(SessionId::from_bytes([0; 16]), Generation(3), Some(Seconds(60))),
            device(&Secret::new("d".to_owned())),
            no_refresh,
            no_hint,
        ];
        let set: Vec<&str> = headers.iter().map(|value| value.to_str().unwrap()).collect();
        insta::assert_snapshot!(set.join("\n"), @r"
        __Secure-relatch-refresh=rlt_x; Path=/auth; Secure; HttpOnly; SameSite=Strict; Max-Age=60
        __Secure-relatch-refresh=rlt_x; Path=/auth; Secure; HttpOnly; SameSite=Strict
        relatch-hint=ses_AAAAAAAAAAAAAAAAAAAAAA.3; Path=/; Secure; SameSite=Lax; Max-Age=60
        __Host-relatch-device=d; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000
        __Secure-relatch-refresh=; Path=/auth; Secure; HttpOnly; SameSite=Strict; Max-Age=0
        relatch-hint=; Path=/; Secure; SameSite=Lax; Max-Age=0
        ");
        assert!(headers.iter().all(HeaderValue::is_sensitive));
    }
}
