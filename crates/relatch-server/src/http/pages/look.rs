//! How the pages look, and the files that are served beside them: all of it in the binary, but the operator's logo.

use crate::config::{Identity, PagesConfig};
use crate::http::code;
use crate::http::problem::{Answer, Problem};
use crate::http::site::Shared;
use anyhow::Context;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Name, logo and colours.
#[derive(Debug)]
pub struct Look {
    name: String,
    theme: Bytes,
    logo: Option<Logo>,
    version: String,
}

#[derive(Debug)]
struct Logo {
    bytes: Bytes,
    media_type: &'static str,
}

impl Look {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// Where the logo can't be read, or is none that browsers show.
    pub fn load(config: &PagesConfig, identity: &Identity) -> anyhow::Result<Self> {
        let logo = match &config.logo_file {
            Some(path) => {
                Some(Logo::read(path).with_context(|| format!("`pages.logo_file`, {}", path.display()))?)
            }
            None => None,
        };
        let (accent, ink) = (String::from(config.accent), config.accent.ink());
        let theme = format!(":root {{ --accent: {accent}; --on-accent: {ink} }}\n");
        let mut hash = Sha256::new();
        FILES.iter().for_each(|(_, _, text)| hash.update(text));
        hash.update(&theme);
        hash.update(logo.as_ref().map_or(&[][..], |logo| &logo.bytes));
        let version = hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
            // A `String` takes every write.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let name = config.name.clone().unwrap_or_else(|| identity.public_url.host().to_owned());
        Ok(Self { name, theme: theme.into(), logo, version })
    }

    /// What the service is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a logo to stand for the name.
    pub(super) fn has_logo(&self) -> bool {
        self.logo.is_some()
    }

    /// The address of a file; it changes with what is in any of them, so that browsers may keep them for good.
    pub(super) fn address(&self, file: &str) -> String {
        format!("/auth/pages/assets/{file}?v={}", self.version)
    }

    fn file(&self, name: &str) -> Option<(&'static str, Bytes)> {
        match name {
            "theme.css" => Some((CSS, self.theme.clone())),
            "logo" => self.logo.as_ref().map(|logo| (logo.media_type, logo.bytes.clone())),
            _ => {
                let (_, media_type, text) = FILES.iter().find(|(known, ..)| *known == name)?;
                Some((media_type, Bytes::from_static(text.as_bytes())))
            }
        }
    }
}

impl Logo {
    fn read(path: &std::path::Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path)?;
        anyhow::ensure!(bytes.len() <= LOGO_BYTES_MAX, "is larger than 256 KiB; make it smaller");
        let extension = path.extension().and_then(|text| text.to_str()).unwrap_or("").to_ascii_lowercase();
        let media_type = match extension.as_str() {
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "webp" => "image/webp",
            _ => anyhow::bail!("is none that browsers show; name an .svg, .png or .webp file"),
        };
        Ok(Self { bytes: bytes.into(), media_type })
    }
}

/// Answers one of the files.
pub(super) async fn asset(State(site): Shared, Path(name): Path<String>) -> Answer<Response> {
    let look = site.app.pages.as_ref().ok_or_else(|| Problem::new(&code::NOT_FOUND))?;
    let (media_type, bytes) = look.file(&name).ok_or_else(|| Problem::new(&code::NOT_FOUND))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, bytes).into_response())
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const FILES: [(&str, &str, &str); 5] = [
    ("pages.css", CSS, include_str!("../../../assets/pages/pages.css")),
    ("pages.js", SCRIPT, include_str!("../../../assets/pages/pages.js")),
    ("live.css", CSS, include_str!("../../../assets/pages/live.css")),
    ("live.js", SCRIPT, include_str!("../../../assets/pages/live.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../../assets/pages/icon.svg")),
];
/// It comes with the first page that anybody sees.
const LOGO_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(config: &PagesConfig) -> anyhow::Result<Look> {
        Look::load(config, &Config::default().identity(([127, 0, 0, 1], 8080).into()))
    }

    #[test]
    fn a_logo_is_read_once_and_a_wrong_one_is_refused_at_start() {
        let folder = tempfile::tempdir().unwrap();
        let with = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            load(&PagesConfig { logo_file: Some(path), ..PagesConfig::default() })
        };
        let look = with("logo.SVG", b"<svg/>").unwrap();
        assert_eq!(look.file("logo"), Some(("image/svg+xml", Bytes::from_static(b"<svg/>"))));
        assert!(with("a.png", &vec![0; LOGO_BYTES_MAX]).is_ok());
        assert!(with("a.png", &vec![0; LOGO_BYTES_MAX + 1]).is_err());
        assert!(with("a.html", b"<script>").is_err());
        let missing =
            PagesConfig { logo_file: Some(folder.path().join("none.png")), ..PagesConfig::default() };
        assert!(format!("{:#}", load(&missing).unwrap_err()).starts_with("`pages.logo_file`"));
    }

    #[test]
    fn an_address_changes_with_what_is_served() {
        let plain = load(&PagesConfig::default()).unwrap();
        assert_eq!((plain.name(), plain.file("logo"), plain.file("../main.rs")), ("localhost", None, None));
        let accent = String::from("#aa0000").try_into().unwrap();
        let red = load(&PagesConfig { accent, ..PagesConfig::default() }).unwrap();
        assert_ne!(plain.address("pages.css"), red.address("pages.css"));
        assert_eq!(red.file("theme.css").unwrap().1, ":root { --accent: #aa0000; --on-accent: #ffffff }\n");
    }

    #[test]
    fn nothing_that_is_served_reaches_outside() {
        for (name, _, text) in FILES {
            for outside in ["http://", "https://", "@import", "url(", "eval(", "innerHTML"] {
                let text = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!text.contains(outside), "{name}: {outside}");
            }
        }
    }
}
