//! Where somebody is sent after login: back to where they came from, and never anywhere else.

use crate::config::WebUrl;
use crate::http::origins::Origins;
use url::Url;

/// A path on this server's own origin, or a URL of a listed origin, as it stands in a `Location` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo {
    location: String,
    origin: Option<String>,
}

impl ReturnTo {
    /// Reads what a query names. [`None`] where it leads anywhere that nobody has listed: it is then ignored.
    pub(super) fn parse(text: &str, own: &WebUrl, origins: &Origins) -> Option<Self> {
        // Browsers drop tabs and line breaks from URLs and take `\` for `/`: nothing that they would repair is taken.
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
        if text.len() > BYTES_MAX || !text.chars().all(is_plain) {
            return None;
        }
        let base = Url::parse(own.as_str()).ok()?;
        if text.starts_with('/') {
            let url = base.join(text).ok()?;
            let location = &url[url::Position::BeforePath..];
            // Joining `/.//evil.example` resolves the dot, and `//evil.example` is another host.
            let stays =
                url.origin() == base.origin() && !text.starts_with("//") && !location.starts_with("//");
            return stays.then(|| Self { location: location.to_owned(), origin: None });
        }
        // `https:host` is a URL to browsers too; whoever means well writes it out.
        if !["https://", "http://"].iter().any(|scheme| text.starts_with(scheme)) {
            return None;
        }
        let url =
            Url::parse(text).ok().filter(|url| url.username().is_empty() && url.password().is_none())?;
        let origin = url.origin().ascii_serialization();
        let is_listed = origins.contains(origin.as_bytes());
        is_listed.then(|| Self { location: url.as_str().to_owned(), origin: Some(origin) })
    }

    /// Where it leads.
    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// Its origin, where that is not the page's own.
    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

/// Longer than the addresses of real pages; it comes back in every link of the page.
const BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(text: &str) -> Option<String> {
        let own = WebUrl::try_from("https://id.example.com".to_owned()).unwrap();
        let origins = Origins::of_test("https://id.example.com", &["https://app.example.com:8443"]);
        ReturnTo::parse(text, &own, &origins).map(|to| to.location)
    }

    #[test]
    fn a_path_of_our_own_and_a_listed_origin_are_taken() {
        for (text, location) in [
            ("/", "/"),
            ("/auth/pages/account", "/auth/pages/account"),
            ("/a?b=c&d=%2F#e", "/a?b=c&d=%2F#e"),
            ("/a/../b", "/b"),
            ("/ü", "/%C3%BC"),
            ("https://app.example.com:8443", "https://app.example.com:8443/"),
            ("https://app.example.com:8443/x?y#z", "https://app.example.com:8443/x?y#z"),
            ("https://APP.example.com:8443/", "https://app.example.com:8443/"),
            ("https://id.example.com/x", "https://id.example.com/x"),
        ] {
            assert_eq!(leads(text).as_deref(), Some(location), "{text}");
        }
    }

    #[test]
    fn other_hosts_are_ignored_however_they_are_written() {
        for text in [
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/.//evil.example",
            "/x/..//evil.example",
            "/%2e//evil.example",
            "https://evil.example",
            "https://app.example.com:8443.evil.example",
            "https://app.example.com",
            "https://app.example.com:8444",
            "http://app.example.com:8443",
            "https:evil.example",
            "https:/evil.example",
            "https:app.example.com:8443",
            "evil.example",
            "x",
            "",
            "?x",
            "#x",
        ] {
            assert_eq!(leads(text), None, "{text}");
        }
    }

    #[test]
    fn names_and_passwords_in_a_url_hide_nothing() {
        for text in [
            "https://app.example.com:8443@evil.example",
            "https://evil@app.example.com:8443",
            "https://app.example.com:8443:x@evil.example/",
            "https://:x@app.example.com:8443",
        ] {
            assert_eq!(leads(text), None, "{text}");
        }
    }

    #[test]
    fn scripts_and_other_schemes_are_no_places() {
        for text in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///x",
            "blob:x",
            "ftp://x",
        ] {
            assert_eq!(leads(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_browser_would_repair_is_not_taken() {
        for text in [
            "/\t/evil.example",
            "/\n/evil.example",
            "/x\r\nSet-Cookie: a=b",
            "/x\0",
            " /x",
            "/x ",
            "\u{a0}/x",
            "java\nscript:alert(1)",
            "https://app.example.com:8443\\@evil.example",
            "/x\u{85}",
        ] {
            assert_eq!(leads(text), None, "{text:?}");
        }
        assert!(leads(&format!("/{}", "x".repeat(BYTES_MAX - 1))).is_some());
        assert!(leads(&format!("/{}", "x".repeat(BYTES_MAX))).is_none());
    }
}
