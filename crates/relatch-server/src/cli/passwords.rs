//! `relatch passwords`: a list of breached passwords, made into a filter.

use super::PasswordsCommand;
use super::print::line;
use crate::password::import_breached;

pub(crate) fn run(command: PasswordsCommand) -> anyhow::Result<()> {
    let PasswordsCommand::Import { list, to, seen_at_least } = command;
    let imported = import_breached(&list, &to, seen_at_least, |lines| {
        line(format!("{} million lines", lines / 1_000_000))
    })?;
    line(format!("{} of {} passwords kept, {} bytes", imported.kept, imported.lines, imported.bytes));
    line(format!("set `passwords.breached_filter = \"{}\"` and restart the server", to.display()));
    Ok(())
}
