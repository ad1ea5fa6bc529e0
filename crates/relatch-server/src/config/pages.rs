//! `[pages]`: the hosted pages, and how they look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Sign-up, login and account as pages of the server's own, below `/auth/pages/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PagesConfig {
    /// Whether there are any. Without them people meet only the pages that you build.
    pub enabled: bool,
    /// What the pages call your service. Absent: the host of `server.public_url`.
    pub name: Option<String>,
    /// A logo to stand above each page instead of the name: an SVG, PNG or WebP file of at most 256 KiB.
    pub logo_file: Option<PathBuf>,
    /// The colour of buttons, as `#rrggbb`. What is written on them is black or white, whichever reads better.
    pub accent: Accent,
}

impl Default for PagesConfig {
    fn default() -> Self {
        Self { enabled: true, name: None, logo_file: None, accent: Accent([0x1f, 0x5f, 0xd0]) }
    }
}

/// A colour: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Accent([u8; 3]);

impl Accent {
    /// The colour of text on it: the one of black and white that contrasts more (WCAG 2.2, 1.4.3). Either way it is
    /// at least 4.5 to 1.
    pub fn ink(self) -> &'static str {
        // Contrast with white is 1.05 / (l + 0.05), with black (l + 0.05) / 0.05; they are equal here.
        if self.luminance() > 0.179 { "#000000" } else { "#ffffff" }
    }

    /// The relative luminance (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl TryFrom<String> for Accent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "write a colour as `#rrggbb`, such as `#1f5fd0`";
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(wrong)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| wrong)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl From<Accent> for String {
    fn from(accent: Accent) -> Self {
        let [red, green, blue] = accent.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accent(text: &str) -> Result<Accent, &'static str> {
        Accent::try_from(text.to_owned())
    }

    #[test]
    fn a_colour_is_six_digits_and_nothing_that_could_leave_its_place_in_a_stylesheet() {
        assert_eq!(String::from(accent("#1F5FD0").unwrap()), "#1f5fd0");
        for refused in ["", "red", "#fff", "#1f5fd00", "#1f5fdg", "#+f5fd0", "#12;}*{", "1f5fd0"] {
            assert!(accent(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn text_on_any_colour_can_be_read() {
        for step in 0..=16u32 {
            for channel in 0..3 {
                let mut colour = [128u8; 3];
                colour[channel] = (step * 16).min(255) as u8;
                let (accent, l) = (Accent(colour), Accent(colour).luminance());
                let contrast = if accent.ink() == "#ffffff" { 1.05 / (l + 0.05) } else { (l + 0.05) / 0.05 };
                assert!(contrast >= 4.5, "{colour:?}: {contrast}");
            }
        }
        assert_eq!(
            (accent("#ffe000").unwrap().ink(), accent("#102040").unwrap().ink()),
            ("#000000", "#ffffff")
        );
    }
}
