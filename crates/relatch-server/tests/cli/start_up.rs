//! Starting over what is missing, wrong or broken: a sentence that says what to do, and nothing is damaged.

use crate::support::{Folder, MASTER_KEY, ended};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const OTHER_MASTER_KEY: &str = "1:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// A folder in which a server has served, and what its database holds.
fn used() -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    folder.make("ada@example.com");
    assert_eq!(folder.serve(&[]).terminate(), Some(0));
    let database = fs::read(folder.path("relatch.db")).unwrap();
    (folder, database)
}

/// Ada can still log in, and the keys are those from before.
fn assert_unharmed(folder: &Folder) {
    assert_eq!(folder.serve(&[]).log_in("ada@example.com").0, 200);
}

fn serve_with_key(folder: &Folder, key: Option<&str>) -> crate::support::Ended {
    let mut command = folder.command(&["serve"]);
    match key {
        Some(key) => command.env("RELATCH_MASTER_KEY", key),
        None => command.env_remove("RELATCH_MASTER_KEY"),
    };
    ended(command)
}

#[test]
fn without_a_master_key_it_says_how_to_make_one() {
    let folder = Folder::new();
    serve_with_key(&folder, None).assert_refused(&["no master key", "openssl rand -base64 32"]);
    assert!(!folder.path("relatch.db").exists());
    let short = serve_with_key(&folder, Some("1:c2hvcnQ="));
    short.assert_refused(&["5 bytes instead of 32", "openssl rand -base64 32"]);
    assert!(!short.err.contains("c2hvcnQ="), "the key was printed");
}

#[test]
fn with_another_master_key_it_refuses_and_changes_nothing() {
    let (folder, before) = used();
    serve_with_key(&folder, Some(OTHER_MASTER_KEY)).assert_refused(&["master key"]);
    assert_eq!(fs::read(folder.path("relatch.db")).unwrap(), before);
    assert_unharmed(&folder);
}

/// So whoever serves has every key that tokens may be sealed under (docs/decisions/0006-unknown-master-key.md).
#[test]
fn a_server_without_the_newest_master_key_does_not_start() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let both = format!("2:{}\n{MASTER_KEY}", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=");
    let pair = folder.serve(&[]).log_in("ada@example.com").1;
    let path = folder.path("both.key");
    fs::write(&path, both).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut with_both = folder.command(&["serve", "--set", "keys.master_key_file=both.key"]);
    with_both.env_remove("RELATCH_MASTER_KEY");
    let server = folder.start_serving(with_both);
    assert_eq!(server.refresh(&pair).0, 200, "under the old key, which is still given");
    drop(server);
    folder.run(&["serve"]).assert_refused(&["master key 2, which was not given"]);
}

#[test]
fn a_master_key_file_that_is_missing_is_named() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--set", "keys.master_key_file=nowhere.key"]);
    command.env_remove("RELATCH_MASTER_KEY");
    ended(command).assert_refused(&["nowhere.key"]);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let run = folder.run(&["serve", "--set", "store.url=sqlite:nowhere/relatch.db"]);
    run.assert_refused(&["nowhere", "create it"]);
    assert!(!folder.path("nowhere").exists());
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let folder = Folder::new();
    let notes = "milk, bread and everything else that is longer than a header of SQLite\n".repeat(99);
    fs::write(folder.path("relatch.db"), &notes).unwrap();
    folder.run(&["serve"]).assert_refused(&["relatch.db"]);
    assert_eq!(fs::read(folder.path("relatch.db")).unwrap(), notes.as_bytes());
}

#[test]
fn a_database_cut_in_half_is_not_served() {
    let (folder, before) = used();
    fs::write(folder.path("relatch.db"), &before[..before.len() / 2]).unwrap();
    folder.run(&["serve"]).assert_refused(&["relatch.db", "backup"]);
    fs::write(folder.path("relatch.db"), &before).unwrap();
    assert_unharmed(&folder);
}

#[test]
fn a_newer_schema_asks_for_the_newer_program() {
    let (folder, _) = used();
    let mut database = fs::read(folder.path("relatch.db")).unwrap();
    // The user version stands at byte 60 of a database file: https://sqlite.org/fileformat.html#user_version_number
    let known = database[60..64].to_vec();
    database[60..64].copy_from_slice(&99u32.to_be_bytes());
    fs::write(folder.path("relatch.db"), &database).unwrap();
    folder.run(&["serve"]).assert_refused(&["99", "newer"]);
    assert_eq!(fs::read(folder.path("relatch.db")).unwrap(), database);
    database[60..64].copy_from_slice(&known);
    fs::write(folder.path("relatch.db"), &database).unwrap();
    assert_unharmed(&folder);
}

#[test]
fn what_cannot_be_written_is_named() {
    let (folder, before) = used();
    // The superuser may write whatever the mode says.
    if fs::metadata(folder.path("relatch.db")).unwrap().uid() == 0 {
        return;
    }
    let set = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(folder.path("relatch.db"), 0o400);
    folder.run(&["serve"]).assert_refused(&["relatch.db"]);
    set(folder.path("relatch.db"), 0o600);
    set(folder.path(""), 0o500);
    folder.run(&["serve"]).assert_refused(&["relatch.db"]);
    set(folder.path(""), 0o700);
    assert_eq!(fs::read(folder.path("relatch.db")).unwrap(), before);
    assert_unharmed(&folder);
}
