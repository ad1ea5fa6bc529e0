//! What a device is called in lists: browser and system, read off its `User-Agent`.
//!
//! For people to recognise their own devices. Anybody can send any `User-Agent`, so nothing hangs on it.

use relatch_core::Origin;

/// The name that the person or app gave the device, else browser and system; [`None`] where nothing is known.
pub(crate) fn of(origin: &Origin) -> Option<String> {
    let given = origin.device_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    given.map(str::to_owned).or_else(|| of_user_agent(origin.user_agent.as_deref()?))
}

/// Browser and system, without versions.
pub(crate) fn of_user_agent(text: &str) -> Option<String> {
    let system = first(SYSTEMS, text);
    let browser = if text.starts_with("Mozilla/") { first(BROWSERS, text) } else { program(text) };
    match (browser, system) {
        (Some(browser), Some(system)) => Some(format!("{browser}, {system}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

fn first(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    table.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
}

/// The product that a program names first (RFC 9110 §10.1.5): `curl/8.5.0` is curl.
fn program(text: &str) -> Option<&str> {
    let name = text.split(['/', ' ']).next().unwrap_or("");
    let is_name = (1..=PROGRAM_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name.then_some(name)
}

/// In an order in which nobody is taken for another: everybody calls themselves Chrome and Safari too.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];
const PROGRAM_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(user_agent: &str) -> String {
        let user_agent = Some(user_agent.to_owned());
        of(&Origin { user_agent, ..Origin::default() }).unwrap_or_default()
    }

    #[test]
    fn the_browsers_of_people_are_told_apart() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (text, expected) in [
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/120.0.0.0 Safari/537.36"), "Chrome, Windows"),
            (format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/120.0 Safari/537.36 Edg/120.0"), "Edge, Windows"),
            (format!("Mozilla/5.0 (Linux; Android 14) {webkit} Chrome/120.0 Mobile Safari/537.36"), "Chrome, Android"),
            (format!("Mozilla/5.0 (X11; Linux x86_64) {webkit} Chrome/120.0 Safari/537.36 OPR/106.0"), "Opera, Linux"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned(), "Firefox, Linux"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15".to_owned(), "Safari, macOS"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1".to_owned(), "Safari, iPhone"),
            ("curl/8.5.0".to_owned(), "curl"),
            ("okhttp/4.12.0".to_owned(), "okhttp"),
            ("MyApp/1.0 (iPhone; iOS 17.1)".to_owned(), "MyApp, iPhone"),
        ] {
            assert_eq!(name(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_given_name_counts_first_and_nonsense_is_no_name() {
        let given = Origin {
            device_name: Some(" Ada's laptop ".to_owned()),
            user_agent: Some("curl/8".to_owned()),
            ip: None,
        };
        assert_eq!(of(&given).as_deref(), Some("Ada's laptop"));
        let blank = Origin { device_name: Some("  ".to_owned()), ..given };
        assert_eq!(of(&blank).as_deref(), Some("curl"));
        let long = "x".repeat(PROGRAM_CHARS_MAX + 1);
        for nonsense in ["", "<script>alert(1)</script>", "\u{202e}evil", &long] {
            assert_eq!(name(nonsense), "", "{nonsense}");
        }
        assert_eq!(of(&Origin::default()), None);
    }
}
