//! `relatch dev`: the lines it prints work as printed; and `relatch demo theft` against it.

use crate::support::{Folder, ended};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_three_lines_work_as_printed() {
    let folder = Folder::new();
    let server = folder.dev(&[]);
    let said = server.said();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("curl -s")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &lines.join("\necho; echo ---\n")]);
    let answers = ended(bash);
    assert_eq!(answers.code, Some(0), "{answers:?}");
    let [login, refresh, users]: [&str; 3] =
        answers.out.split("---\n").map(str::trim).collect::<Vec<_>>().try_into().unwrap();
    assert!(login.starts_with("rlt_"), "{login}");
    let refresh: Value = serde_json::from_str(refresh).unwrap();
    assert_eq!(refresh["user"]["email"], "ada@example.com");
    assert_eq!(refresh["generation"], 2);
    let users: Value = serde_json::from_str(users).unwrap();
    assert_eq!(users["users"][0]["email"], "ada@example.com");
}

#[test]
fn the_thief_of_the_demo_is_caught() {
    let folder = Folder::new();
    let server = folder.dev(&["--test-clock"]);
    let story = folder.ask(&["demo", "theft", "--url", &server.url]);
    assert!(story.contains("401 token_reused"), "{story}");
    assert!(story.contains("another session, unharmed: served"), "{story}");
    assert!(story.contains("refresh_reuse"), "{story}");
}

#[test]
fn the_demo_without_a_server_says_what_to_run() {
    let gone = Folder::new().run(&["demo", "theft", "--url", "http://127.0.0.1:9"]);
    gone.assert_refused(&["nobody answers at http://127.0.0.1:9", "`relatch dev`"]);
}

#[test]
fn a_second_start_keeps_people_sessions_and_the_api_key() {
    let folder = Folder::new();
    let mut server = folder.dev(&[]);
    let key = |said: String| said.lines().find(|line| line.contains("API key")).unwrap().to_owned();
    let (before, pair) = (key(server.said()), server.log_in("ada@example.com").1);
    assert_eq!(server.terminate(), Some(0));
    let server = folder.dev(&[]);
    assert_eq!(key(server.said()), before);
    assert_eq!(server.refresh(&pair).0, 200);
}

#[test]
fn it_listens_to_this_machine_alone() {
    let run = Folder::new().run(&["dev", "--listen", "0.0.0.0:0"]);
    run.assert_refused(&["for this machine only", "`relatch serve`"]);
}
