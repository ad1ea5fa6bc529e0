//! `relatch dev`: the lines it prints work as printed; and `relatch demo theft` against it.

use crate::support::{Folder, PASSWORD, ended};
use serde_json::{Value, json};
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

/// On the test clock; and in real time, as the README has it, which takes the time of two windows.
#[test]
fn the_thief_of_the_demo_is_caught() {
    for flags in [&["--test-clock"][..], &[]] {
        catch_the_thief(flags);
    }
}

fn catch_the_thief(flags: &[&str]) {
    let folder = Folder::new();
    let server = folder.dev(flags);
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
fn a_password_that_was_changed_is_not_printed_as_if_it_worked() {
    let folder = Folder::new();
    let mut server = folder.dev(&[]);
    assert!(server.said().contains("ada@example.com, password: correct horse battery"));
    let token = server.log_in("ada@example.com").1["access_token"].as_str().unwrap().to_owned();
    let body = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    assert_eq!(server.post_with("/auth/password", &token, &body).0, 200);
    assert_eq!(server.terminate(), Some(0));
    let said = folder.dev(&[]).said();
    assert!(said.contains("ada@example.com, with a password of your own"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
}

#[test]
fn its_mailbox_is_mail_enough_to_prove_addresses_first() {
    let folder = Folder::new();
    let server = folder.dev(&["--set", "signup.verify_email_first=true"]);
    let body = json!({"email": "bob@example.com", "password": PASSWORD, "transport": "body"});
    assert_eq!(server.post("/auth/signup", &body).0, 202);
    let serve = folder.run(&["serve", "--set", "signup.verify_email_first=true"]);
    serve.assert_refused(&["`mail.directory`"]);
}

#[test]
fn it_listens_to_this_machine_alone() {
    let run = Folder::new().run(&["dev", "--listen", "0.0.0.0:0"]);
    run.assert_refused(&["for this machine only", "`relatch serve`"]);
}
