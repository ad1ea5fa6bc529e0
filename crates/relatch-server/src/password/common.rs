//! The commonest passwords, embedded.

/// One password a line, lower-cased, sorted by byte; `common.NOTICE` names the sources and their licences.
const COMMON: &str = include_str!("common.txt");

/// Whether a lower-cased text is on the list.
///
/// Searches the text itself, so that the list costs no memory beyond the pages it is read from.
pub(super) fn is_common(folded: &str) -> bool {
    let (mut rest, wanted) = (COMMON, folded);
    while !rest.is_empty() {
        let (before, line, after) = middle_line(rest);
        match wanted.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = before,
            std::cmp::Ordering::Greater => rest = after,
        }
    }
    false
}

/// The line around the middle byte, and the whole lines before and after it.
fn middle_line(lines: &str) -> (&str, &str, &str) {
    // The list is ASCII, so every byte is a boundary.
    let middle = lines.len() / 2;
    let start = lines[..middle].rfind('\n').map_or(0, |at| at + 1);
    let end = lines[start..].find('\n').map_or(lines.len(), |at| start + at);
    (&lines[..start], &lines[start..end], lines.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_the_search_needs() {
        assert!(COMMON.is_ascii() && COMMON.ends_with('\n'));
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.is_sorted_by(|a, b| a < b), "not sorted, or a line twice");
        assert!(lines.len() > 20_000);
        for line in lines {
            assert_eq!(line, line.to_lowercase());
            assert!(line.len() >= 8, "{line} can never be asked for");
        }
    }

    #[test]
    fn every_line_is_found_and_its_neighbours_are_not() {
        for line in COMMON.lines() {
            assert!(is_common(line), "{line}");
        }
        for absent in ["", "\n", "password\n", "passwor", "zzzzzzzzzzzzzzzzz~", "!", "tq9xkfwb", "ünter"] {
            assert!(!is_common(absent), "{absent:?}");
        }
    }
}
