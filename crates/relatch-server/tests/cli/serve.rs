//! `relatch serve`: where it listens, and how it ends.

use crate::support::{Folder, PASSWORD};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn plain_http_is_for_this_machine_alone() {
    let folder = Folder::new();
    let open = folder.run(&["serve", "--set", "server.listen=0.0.0.0:0"]);
    open.assert_refused(&["server.listen", "server.tls"]);
    assert!(!folder.path("relatch.db").exists(), "it opened the store first");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = Folder::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let taken = folder.run(&["serve", "--set", &format!("server.listen={address}")]);
    taken.assert_refused(&[&address, "is another server running there?"]);
}

#[test]
fn a_second_server_on_one_database_is_refused_and_the_command_line_is_not() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let mut first = folder.serve(&[]);
    let second = folder.run(&["serve"]);
    second.assert_refused(&["another server runs on relatch.db", "`store.url`"]);
    assert_eq!(first.log_in("ada@example.com").0, 200, "the first one is unharmed");
    assert!(folder.ask(&["users", "list"]).contains("ada@example.com"));
    folder.ask(&["keys", "list"]);
    folder.ask(&["backup", "copy.db"]);
    folder.ask(&["doctor"]);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert_eq!(folder.serve(&[]).log_in("ada@example.com").0, 200, "a crash leaves no lock behind");
}

#[test]
fn a_restart_that_overlaps_waits_for_the_old_server() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let mut old = folder.serve(&[]);
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| folder.serve(&[]));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(old.log_in("ada@example.com").0, 200, "the old one goes on meanwhile");
        assert_eq!(old.terminate(), Some(0));
        let new = starting.join().unwrap();
        assert!(new.said().contains("waiting for another server to stop"));
        assert_eq!(new.log_in("ada@example.com").0, 200);
    });
}

#[test]
fn without_mail_the_start_says_so_once_and_sign_ups_are_silent() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    for n in 0..3 {
        let body = json!({"email": format!("ada{n}@example.com"), "password": PASSWORD, "transport": "body"});
        assert_eq!(server.post("/auth/signup", &body).0, 201);
    }
    // What is done after the answer of a sign-up is done by the time of an orderly stop.
    let mut server = server;
    assert_eq!(server.terminate(), Some(0));
    let said = server.said();
    assert_eq!(said.matches("no mail leaves").count(), 1, "{said}");
    assert!(!said.contains("a message was not sent") && !said.contains(r#""level":"WARN""#), "{said}");
}

#[test]
fn an_access_token_too_short_for_the_window_is_warned_of_at_the_start_and_by_the_doctor() {
    let folder = Folder::new();
    let short = "tokens.access_seconds=90";
    assert!(folder.serve(&[short]).said().contains("three reuse windows"));
    assert!(folder.ask(&["doctor", "--set", short]).contains("three reuse windows"));
    assert!(!folder.ask(&["doctor", "--set", "tokens.access_seconds=91"]).contains("three reuse windows"));
}

/// Counted and not timed: what takes time at a login is Argon2.
#[test]
fn whoever_logs_in_and_however_it_ends_one_password_is_computed() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    folder.make("eve@example.com");
    folder.ask(&["users", "disable", "eve@example.com"]);
    // Of another system: no password at all.
    fs::write(folder.path("people.jsonl"), r#"{"email":"bob@example.com"}"#).unwrap();
    folder.ask(&["users", "import", "people.jsonl"]);
    let server = folder.serve(&[]);
    let computed = || server.metric("relatch_password_work_seconds_count");
    let cases = [
        ("ada@example.com", PASSWORD, 200),
        ("ada@example.com", "a wrong horse battery", 401),
        ("nobody@example.com", PASSWORD, 401),
        ("bob@example.com", PASSWORD, 401),
        ("eve@example.com", PASSWORD, 401),
        ("eve@example.com", "a wrong horse battery", 401),
    ];
    let before = computed();
    for (done, (email, password, status)) in (1..).zip(cases) {
        let body = json!({"email": email, "password": password, "transport": "body"});
        assert_eq!(server.post("/auth/login", &body).0, status, "{email}");
        // It is counted once the answer is on its way.
        let has_come = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            computed() > before + f64::from(done - 1)
        });
        assert!(has_come, "{email}, {status}: none was computed");
        assert_eq!(computed() - before, f64::from(done), "{email}, {status}");
    }
}

#[test]
fn told_to_end_it_answers_what_it_has_taken() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let mut server = folder.serve(&[]);
    let pair = server.log_in("ada@example.com").1;
    let body = format!(r#"{{"refresh_token":{}}}"#, pair["refresh_token"]);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, second) = body.split_at(10);
    stream.write_all((head + first).as_bytes()).unwrap();
    // The head is read before the rest is sent, since a request on another connection is answered meanwhile.
    assert_eq!(server.log_in("ada@example.com").0, 200);
    let mut answer = String::new();
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| server.terminate());
        std::thread::sleep(std::time::Duration::from_millis(300));
        stream.write_all(second.as_bytes()).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(ending.join().unwrap(), Some(0));
    });
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let server = folder.serve(&[]);
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(server.refresh(&serde_json::from_str(json).unwrap()).0, 200);
}
