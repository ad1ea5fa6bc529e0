//! `relatch config` and `relatch doctor`.

use crate::support::{Folder, MASTER_KEY, ended};
use std::fs;

#[test]
fn every_value_says_where_it_comes_from_and_secrets_stay_hidden() {
    let folder = Folder::new();
    fs::write(
        folder.path("relatch.toml"),
        "[tokens]\naccess_seconds = 600\n[sessions]\nidle_seconds = 7000\n",
    )
    .unwrap();
    let mut command = folder.command(&["config", "--set", "sessions.idle_seconds=8000"]);
    command
        .env("RELATCH_SESSIONS__ABSOLUTE_SECONDS", "90000")
        .env("RELATCH_SESSIONS__UNREMEMBERED_IDLE_SECONDS", "7000");
    let shown = ended(command);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let line = |key: &str| {
        let line = shown.out.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("tokens.access_seconds"), "600 relatch.toml");
    assert_eq!(line("sessions.idle_seconds"), "8000 --set sessions.idle_seconds");
    assert_eq!(line("sessions.absolute_seconds"), "90000 RELATCH_SESSIONS__ABSOLUTE_SECONDS");
    assert_eq!(line("keys.master_key"), "(hidden) RELATCH_MASTER_KEY");
    assert!(line("sessions.reuse_window_body_seconds").ends_with("default"));
    assert!(!shown.out.contains(MASTER_KEY));
}

#[test]
fn an_unknown_setting_is_refused_with_a_suggestion() {
    let folder = Folder::new();
    folder.run(&["config", "--set", "session.idle_second=1"]).assert_refused(&["sessions.idle_seconds"]);
    let mut command = folder.command(&["config"]);
    command.env("RELATCH_TOKENS__ACCESS_SECOND", "600");
    ended(command).assert_refused(&["RELATCH_TOKENS__ACCESS_SECOND`", "`RELATCH_TOKENS__ACCESS_SECONDS`"]);
    fs::write(folder.path("relatch.toml"), "[tokenz]\naccess_seconds = 600\n").unwrap();
    folder.run(&["config"]).assert_refused(&["relatch.toml", "tokens"]);
    folder.run(&["config", "--config", "nowhere.toml"]).assert_refused(&["nowhere.toml"]);
}

#[test]
fn the_doctor_finds_a_healthy_server_healthy() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let _server = folder.serve(&[]);
    let report = folder.ask(&["doctor"]);
    for what in ["configuration", "clock", "store", "store writes", "store integrity", "keys"] {
        assert!(report.contains(&format!("ok    {what:16}")), "{what}: {report}");
    }
    assert!(!report.contains("BAD"), "{report}");
}

#[test]
fn the_doctor_names_what_is_wrong() {
    let folder = Folder::new();
    drop(folder.serve(&[]));
    let mut command = folder.command(&["doctor"]);
    command.env("RELATCH_MASTER_KEY", "1:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=");
    let report = ended(command);
    report.assert_refused(&["1 of the checks failed"]);
    assert!(report.out.contains("BAD   keys"), "{report:?}");
    let report = folder.run(&["doctor", "--set", "store.url=sqlite:nowhere/relatch.db"]);
    report.assert_refused(&["1 of the checks failed"]);
    assert!(report.out.contains("BAD   store") && report.out.contains("create it"), "{report:?}");
    let report = folder.run(&["doctor", "--set", "mail.directory=nowhere"]);
    assert!(report.out.contains("BAD   mail"), "{report:?}");
    let report = folder.run(&["doctor", "--set", "tokens.access_second=1"]);
    assert!(report.out.contains("BAD   configuration"), "{report:?}");
}
