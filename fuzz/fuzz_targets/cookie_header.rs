//! `Cookie` headers: ours are found whatever stands around them, and nothing is found that nobody sent.
#![no_main]

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use relatch_fuzz::text;
use relatch_server::http::cookies::{self, Cookies};
use relatch_token::Secret;

// Every line of the input is a header of its own.
fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let Some(found) = read(&lines) else { return };
    let (refresh, device) = &found;
    assert!(all_differ(refresh) && all_differ(device));
    let sent = text(input);
    for value in refresh.iter().chain(device) {
        assert!(!value.contains(';') && value.trim_ascii() == value && sent.contains(value.as_str()));
    }
    // The lossy reading keeps `name=` as it is, so that what is found can be counted.
    assert!(refresh.len() <= sent.matches(REFRESH).count());
    assert!(device.len() <= sent.matches(DEVICE).count());

    // HTTP/2 splits the header where it likes (RFC 9113 §8.2.3), and other people add cookies of their own.
    assert_eq!(read(&[lines.join(&b"; "[..]).as_slice()]).as_ref(), Some(&found));
    let pieces: Vec<&[u8]> = input.split(|byte| matches!(byte, b'\n' | b';')).collect();
    assert_eq!(read(&pieces).as_ref(), Some(&found));
    let foreign: [&[u8]; 2] = [b"theme=dark; __secure-relatch-refresh=x", b"relatch-hint=ses_x.1"];
    assert_eq!(read(&[lines.as_slice(), &foreign].concat()), Some(found.clone()));

    // Ours is found beside all of it, as it was set, and counts once however often it comes.
    let set = cookies::refresh(&Secret::new("rlt_ours-1".to_owned()), None);
    let ours = set.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let (beside, _) = read(&[lines.as_slice(), &[ours, ours]].concat()).expect("our own header is sane");
    let mut expected = refresh.clone();
    if !expected.iter().any(|value| value == "rlt_ours-1") {
        expected.push("rlt_ours-1".to_owned());
    }
    assert_eq!(beside, expected);
});

/// The refresh and the device cookies; none where HTTP itself refuses a header.
fn read(lines: &[&[u8]]) -> Option<(Vec<String>, Vec<String>)> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).ok()?);
    }
    let cookies = Cookies::read(&headers);
    assert_eq!(cookies.only_device().is_some(), cookies.device.len() == 1);
    let shown = |secrets: &[Secret<String>]| secrets.iter().map(|one| one.expose().clone()).collect();
    Some((shown(&cookies.refresh), shown(&cookies.device)))
}

fn all_differ(values: &[String]) -> bool {
    values.iter().enumerate().all(|(i, value)| !values[..i].contains(value))
}

const REFRESH: &str = "__Secure-relatch-refresh";
const DEVICE: &str = "__Host-relatch-device";
