//! Printing for people: tables that a terminal can show and a script can cut.

use std::fmt::Display;
use std::io::Write;

/// One line. Whoever has stopped reading, as `head` does, ends no command half way.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A table with a head; columns are as wide as their widest cell.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(aligned(head, widths));
    for row in rows {
        line(aligned(row.each_ref().map(|cell| cell.as_str()), widths));
    }
}

fn aligned<const N: usize>(cells: [&str; N], widths: [usize; N]) -> String {
    let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}
