//! Start-up: what is refused says why, and what is accepted is ready.

use super::{log_in, open, options, sign_up};
use crate::checkpoint::wal_path;
use crate::{OpenError, Options, SqliteStore};
use relatch_store::conformance::{START, link, user};
use relatch_store::{
    AccountStore, Device, DeviceStore, Link, LinkHash, LinkPurpose, SessionStore, Store, User,
};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn refusal(path: &Path) -> OpenError {
    let options = Options { busy_for: Duration::from_millis(50), ..options() };
    SqliteStore::open(path, options).err().expect("it was opened")
}

#[tokio::test]
async fn a_missing_database_is_made_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = open(&path);
    assert_eq!(store.instance_id().await, Ok([7; 16]));
    #[cfg(unix)]
    for file in [&path, &wal_path(&path)] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_database_keeps_its_name_and_rows_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = open(&path);
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    drop(store);
    assert!(!wal_path(&path).exists(), "the log was left behind");
    let store = SqliteStore::open(&path, Options::new([8; 16])).unwrap();
    assert_eq!(store.instance_id().await, Ok([7; 16]));
    assert_eq!(store.load(one.id).await.unwrap().unwrap().session, one);
}

#[test]
fn a_missing_folder_a_folder_and_a_foreign_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = refusal(&folder.path().join("nowhere/a.db"));
    assert!(matches!(missing, OpenError::MissingFolder(_)), "{missing}");
    assert!(missing.to_string().contains("create it"));
    assert!(matches!(refusal(folder.path()), OpenError::NotAFile(_)));

    let text = folder.path().join("notes.txt");
    fs::write(&text, "milk, bread and everything else that is longer than a header of SQLite".repeat(9))
        .unwrap();
    let before = fs::read(&text).unwrap();
    assert!(matches!(refusal(&text), OpenError::NotADatabase(_)));
    assert_eq!(fs::read(&text).unwrap(), before, "somebody else's file was changed");

    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = fs::read(&other).unwrap();
    assert!(matches!(refusal(&other), OpenError::NotADatabase(_)));
    assert_eq!(fs::read(&other).unwrap(), before, "somebody else's database was changed");
}

#[test]
fn a_newer_schema_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known: 6, .. }), "{error}");
}

#[tokio::test]
async fn browsers_of_sessions_from_before_there_were_devices_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = open(&path);
    let ada = sign_up(&store, 1).await;
    let one = log_in(&store, &ada, 1).await;
    let before = store.devices(ada.id).await.unwrap();
    drop(store);
    let old = Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE devices").unwrap();
    old.pragma_update(None, "user_version", 5).unwrap();
    drop(old);
    let store = open(&path);
    let after = store.device(ada.id, one.device.unwrap()).await.unwrap().unwrap();
    assert_ne!(after.id, before[0].id, "drawn anew");
    assert_eq!(after, Device { id: after.id, ..before[0].clone() });
}

#[tokio::test]
async fn a_database_of_the_first_schema_keeps_its_users_and_their_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let (ada, bare) = (user(1), User { email: None, ..user(2) });
    let [of_ada, of_bare] = [&ada, &bare].map(|user| link(user, LinkPurpose::ResetPassword, 1));
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../migrations/0001_initial.sql")).unwrap();
    old.execute("INSERT INTO instance (key, id) VALUES (1, ?1)", [[7u8; 16]]).unwrap();
    for (key, user) in [(1, &ada), (2, &bare)] {
        let email = user.email.as_ref();
        old.execute(
            "INSERT INTO users (key, id, email, email_key, name, created_at, password) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'x')",
            (
                key,
                &user.id.as_bytes()[..],
                email.map(|it| &it.address),
                email.map(|it| &it.unique_key),
                &user.name,
                user.created_at.as_millis(),
            ),
        )
        .unwrap();
    }
    for (key, link) in [(1, &of_ada), (2, &Link { hash: LinkHash([2; 32]), ..of_bare.clone() })] {
        old.execute(
            "INSERT INTO links VALUES (?1, 0, ?2, 0, ?3)",
            (link.hash.0, key, link.expires_at.as_millis()),
        )
        .unwrap();
    }
    old.pragma_update(None, "application_id", 0x524C_5431).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);

    let store = open(&path);
    assert_eq!(store.users(None, 10).await, Ok(vec![ada, bare]));
    assert_eq!(store.link(of_ada.hash, of_ada.purpose, START).await, Ok(Some(of_ada)));
    assert_eq!(store.link(LinkHash([2; 32]), LinkPurpose::ResetPassword, START).await, Ok(None));
}

#[test]
fn a_database_without_its_tables_or_half_of_its_pages_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(open(&path));
    let whole = fs::read(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("DROP TABLE links").unwrap();
    assert!(matches!(refusal(&path), OpenError::Damaged { .. }));

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_database_that_somebody_keeps_locked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(open(&path));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(open(&path));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    // The superuser may write whatever the mode says.
    if fs::OpenOptions::new().write(true).open(&path).is_err() {
        let error = refusal(&path);
        assert!(matches!(error, OpenError::NoAccess { .. }), "{error}");
    }
}
