//! `relatch mail`: does mail leave?

use crate::support::Folder;
use std::fs;

#[test]
fn a_test_message_leaves_as_configured_or_says_why_not() {
    let folder = Folder::new();
    let test = ["mail", "test", "ada@example.com"];
    folder.run(&test).assert_refused(&["no mail is configured", "`mail.smtp.host`"]);
    fs::create_dir(folder.path("out")).unwrap();
    let said = folder.ask(&["--set", "mail.directory=out", "mail", "test", "ada@example.com"]);
    let file = fs::read_dir(folder.path("out")).unwrap().next().unwrap().unwrap();
    assert!(said.contains(file.file_name().to_str().unwrap()), "{said}");
    assert!(fs::read_to_string(file.path()).unwrap().contains("To: ada@example.com"));

    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = format!("mail.smtp.port={port}");
    let nobody = ["--set", "mail.smtp.host=localhost", "--set", "mail.smtp.security=none", "--set", &port];
    folder.run(&[&nobody[..], &test].concat()).assert_refused(&["not sent", "localhost"]);
    folder.run(&["mail", "test", "nobody"]).assert_refused(&["address"]);
}
