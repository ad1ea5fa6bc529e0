//! `relatch backup`.

use crate::support::Folder;
use std::fs;

#[test]
fn a_backup_made_while_serving_serves() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let server = folder.serve(&[]);
    let pair = server.log_in("ada@example.com").1;
    let made = folder.ask(&["backup", "copy.db"]);
    assert!(made.contains("holds everything but the master key"), "{made}");
    assert_eq!(server.refresh(&pair).0, 200, "the server goes on");
    drop(server);
    let server = folder.serve(&["store.url=sqlite:copy.db"]);
    assert_eq!(server.refresh(&pair).0, 200);
    assert_eq!(server.log_in("ada@example.com").0, 200);
}

#[test]
fn a_backup_overwrites_nothing() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    fs::write(folder.path("notes.txt"), "milk").unwrap();
    folder.run(&["backup", "notes.txt"]).assert_refused(&["notes.txt"]);
    assert_eq!(fs::read(folder.path("notes.txt")).unwrap(), b"milk");
    folder.run(&["backup", "nowhere/copy.db"]).assert_refused(&["nowhere/copy.db"]);
}
