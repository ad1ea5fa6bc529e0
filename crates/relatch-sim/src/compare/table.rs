//! The table as people read it.

use super::Compared;
use std::fmt::Write;

/// One block for each row: what happens, how it must end, and how it ended under each rule.
pub(super) fn of(compared: &[Compared]) -> String {
    let mut text = String::new();
    let heads =
        ["scenario, and how it must end", "ours (fork-evident)", "strict rotation", "same successor, 30 s"];
    line(&mut text, &heads.map(|head| vec![head.to_owned()]));
    rule(&mut text);
    for one in compared {
        let mut first = wrapped(one.row.scenario, WIDTHS[0]);
        first.extend(wrapped(&format!("-> {}", one.row.must), WIDTHS[0]));
        let cell = |at: usize| {
            let outcome = &one.outcomes[at];
            let mark = if outcome.is_met { "ok  " } else { "FAIL" };
            wrapped(&format!("{mark} {}", outcome.seen), WIDTHS[at + 1])
        };
        line(&mut text, &[first, cell(0), cell(1), cell(2)]);
        rule(&mut text);
    }
    let met = |at: usize| compared.iter().filter(|one| one.outcomes[at].is_met).count();
    let of = compared.len();
    let sums = [0, 1, 2].map(|at| vec![format!("{} of {of} rows met", met(at))]);
    let [ours, strict, same] = sums;
    line(&mut text, &[vec![String::new()], ours, strict, same]);
    text
}

fn line(text: &mut String, cells: &[Vec<String>; 4]) {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..height {
        for (cell, width) in cells.iter().zip(WIDTHS) {
            let part = cell.get(row).map_or("", String::as_str);
            // Writing to a string can't fail.
            let _ = write!(text, "| {part:width$} ");
        }
        text.push_str("|\n");
    }
}

fn rule(text: &mut String) {
    for width in WIDTHS {
        let _ = write!(text, "|{}", "-".repeat(width + 2));
    }
    text.push_str("|\n");
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last] = format!("{}{space}{word}", lines[last]);
        }
    }
    lines
}

const WIDTHS: [usize; 4] = [46, 30, 30, 30];
