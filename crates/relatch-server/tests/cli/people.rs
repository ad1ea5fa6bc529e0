//! `relatch users` and `relatch sessions`.

use crate::support::{Folder, PASSWORD};
use serde_json::json;
use std::fs;

/// `correct horse battery` under three schemes of other systems.
const IMPORTED: [(&str, &str); 3] = [
    ("bcrypt@example.com", "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"),
    (
        "scrypt@example.com",
        "$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$LYtM8Mh+uD5qDLQWvjcUOTNEVL2STXzMHwI4lieKYvI",
    ),
    (
        "pbkdf2@example.com",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$BVALGMmC/K/8ELErc5VgJxyPFApArIZRCQsqjEgZWJ4",
    ),
];

#[test]
fn imported_people_log_in_and_their_hashes_are_renewed() {
    let folder = Folder::new();
    let lines = IMPORTED.map(|(email, hash)| json!({"email": email, "password_hash": hash}).to_string());
    fs::write(folder.path("people.jsonl"), lines.join("\n")).unwrap();
    assert!(folder.ask(&["users", "import", "people.jsonl"]).contains("3 users made, 0 lines refused"));
    let mut server = folder.serve(&[]);
    for (email, _) in IMPORTED {
        assert_eq!(server.log_in(email).0, 200, "{email}");
        let wrong = json!({"email": email, "password": "incorrect horse", "transport": "body"});
        assert_eq!(server.post("/auth/login", &wrong).0, 401, "{email}");
        assert_eq!(server.log_in(email).0, 200, "{email}, after its hash was renewed");
    }
    assert_eq!(server.terminate(), Some(0));
    let database = fs::read(folder.path("relatch.db")).unwrap();
    let holds = |text: &str| database.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("$argon2id$"));
    for (email, hash) in IMPORTED {
        assert!(!holds(hash), "the old hash of {email} is still there");
    }
}

#[test]
fn an_import_names_the_lines_it_refuses_and_makes_the_others() {
    let folder = Folder::new();
    let lines = "{\"email\":\"ada@example.com\"}\nnot json\n{\"email\":\"bob\"}\n{\"name\":\"Nobody\"}\n\
                 {\"email\":\"eve@example.com\",\"password_hash\":\"$1$md5$secret\"}\n";
    let import = folder.run_with_input(&["users", "import", "-"], lines);
    assert_eq!(import.code, Some(1), "{import:?}");
    assert!(import.out.contains("1 users made, 4 lines refused"), "{import:?}");
    for line in ["line 2: ", "line 3: ", "line 4: ", "line 5: "] {
        assert!(import.out.contains(line), "{import:?}");
    }
    assert!(!format!("{import:?}").contains("md5$secret"), "a hash was printed");
    assert!(folder.ask(&["users", "list"]).contains("ada@example.com"));
}

#[test]
fn a_hash_on_standard_input_makes_an_account() {
    let folder = Folder::new();
    let create = ["users", "create", "--email", "ada@example.com", "--password-hash-stdin"];
    assert_eq!(folder.run_with_input(&create, IMPORTED[0].1).code, Some(0));
    assert_eq!(folder.serve(&[]).log_in("ada@example.com").0, 200);
    folder.run_with_input(&create, IMPORTED[0].1).assert_refused(&["has an account already"]);
    let weak = ["users", "create", "--email", "bob@example.com"];
    folder.run_with_input(&weak, "password").assert_refused(&["password"]);
}

#[test]
fn a_deleted_person_is_out_at_once_and_may_begin_anew() {
    let folder = Folder::new();
    let create = ["users", "create", "--email", "ada@example.com"];
    let first = folder.run_with_input(&create, PASSWORD).out;
    let mut server = folder.serve(&[]);
    let (_, session) = server.log_in("ada@example.com");
    let token = json!({"refresh_token": session["refresh_token"]});
    assert_eq!(server.post("/auth/refresh", &token).0, 200);
    assert_eq!(folder.ask(&["users", "delete", "ada@example.com"]), "deleted; 1 sessions ended\n");
    assert_eq!(server.post("/auth/refresh", &token).1["code"], "session_revoked");
    assert_eq!(server.log_in("ada@example.com").0, 401);
    folder.run_with_input(&["users", "delete", "ada@example.com"], "").assert_refused(&["there is no user"]);
    assert!(!folder.ask(&["users", "list"]).contains("ada@example.com"));
    let second = folder.run_with_input(&create, PASSWORD).out;
    assert_ne!(first, second);
    assert_eq!(server.log_in("ada@example.com").0, 200);
    assert_eq!(server.post("/auth/refresh", &token).1["code"], "session_revoked");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_disabled_person_is_out_until_enabled_and_old_sessions_stay_ended() {
    let folder = Folder::new();
    let id = folder.make("ada@example.com");
    let server = folder.serve(&[]);
    let (status, pair) = server.log_in("Ada@Example.com");
    assert_eq!(status, 200);
    assert!(folder.ask(&["users", "disable", "ada@example.com"]).contains("1 sessions ended"));
    assert_eq!(server.log_in("ada@example.com").0, 401);
    assert_eq!(server.refresh(&pair).0, 401);
    assert!(!folder.ask(&["users", "list"]).lines().nth(1).unwrap().ends_with('-'));
    folder.ask(&["users", "enable", &id]);
    assert_eq!(server.refresh(&pair).1["code"], "session_revoked");
    assert_eq!(server.log_in("ada@example.com").0, 200);
    assert!(folder.ask(&["users", "list"]).lines().nth(1).unwrap().ends_with('-'));
}

#[test]
fn logout_ends_every_session_and_nobody_else_is_touched() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    folder.make("bob@example.com");
    let server = folder.serve(&[]);
    let (one, two, bob) = (
        server.log_in("ada@example.com").1,
        server.log_in("ada@example.com").1,
        server.log_in("bob@example.com").1,
    );
    assert!(folder.ask(&["users", "logout", "ada@example.com"]).contains("2 sessions ended"));
    assert_eq!((server.refresh(&one).0, server.refresh(&two).0, server.refresh(&bob).0), (401, 401, 200));
    let nobody = folder.run(&["users", "logout", "eve@example.com"]);
    nobody.assert_refused(&["there is no user `eve@example.com`", "`relatch users list`"]);
    folder.run(&["users", "logout", "eve"]).assert_refused(&["`eve` names nobody"]);
}

#[test]
fn a_session_is_listed_shown_and_ended() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let server = folder.serve(&[]);
    let login = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body", "device_name": "Phone"});
    let pair = server.post("/auth/login", &login).1;
    let session = pair["session_id"].as_str().unwrap();
    let list = folder.ask(&["sessions", "list", "ada@example.com"]);
    assert!(list.contains(session) && list.contains("Phone"), "{list}");
    assert!(folder.ask(&["sessions", "show", session]).contains("state       live"));
    folder.ask(&["sessions", "end", session]);
    assert_eq!(server.refresh(&pair).1["code"], "session_revoked");
    let shown = folder.ask(&["sessions", "show", session]);
    assert!(shown.contains("state       ended: ") && shown.contains("session_revoked"), "{shown}");
    assert!(!folder.ask(&["sessions", "list", "ada@example.com"]).contains(session));
    folder.run(&["sessions", "end", session]).assert_refused(&["there is no live session"]);
}

#[test]
fn a_theft_is_told_to_the_operator_as_a_story() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let server = folder.serve(&["sessions.reuse_window_body_seconds=0"]);
    let pair = server.log_in("ada@example.com").1;
    let session = pair["session_id"].as_str().unwrap();
    assert_eq!(server.refresh(&pair).0, 200);
    let (status, reused) = server.refresh(&pair);
    assert_eq!((status, reused["rule"].as_str()), (401, Some("exchanged_before")));
    assert_eq!(server.refresh(&pair).1["code"], "session_revoked");
    let story = folder.ask(&["sessions", "explain", session]);
    let at = |words: &str| story.find(words).unwrap_or_else(|| panic!("no `{words}` in {story}"));
    let order = [
        at("It has ended: a superseded refresh token was presented"),
        at("The session began with a login from 127.0.0.1"),
        at("generation 1 became the newest token"),
        at("A superseded token was presented from 127.0.0.1"),
        at("What to do: Ask the person"),
        at("was refused, and changed nothing: the session had been ended before"),
    ];
    assert!(order.is_sorted(), "{story}");
    let nobody = folder.run(&["sessions", "explain", "ses_AAAAAAAAAAAAAAAAAAAAAA"]);
    nobody.assert_refused(&["there is no session `ses_AAAAAAAAAAAAAAAAAAAAAA`"]);
}

#[test]
fn a_list_of_breached_passwords_is_imported_and_a_damaged_one_stops_the_start() {
    let folder = Folder::new();
    let list = "EBD60E2D5ECE7DFE4145FEA9E62CA8B3980E9571:42\r\n";
    fs::write(folder.path("list.txt"), list).unwrap();
    let import = ["passwords", "import", "list.txt", "--to", "breached.filter"];
    assert!(folder.ask(&import).contains("1 of 1 passwords kept"));
    let setting = "passwords.breached_filter=breached.filter";
    let create = ["users", "create", "--email", "ada@example.com", "--set", setting];
    folder.run_with_input(&create, "a breached horse battery").assert_refused(&["data breach"]);
    assert_eq!(folder.run_with_input(&create, PASSWORD).code, Some(0));
    assert_eq!(folder.serve(&[setting]).log_in("ada@example.com").0, 200);

    let whole = fs::read(folder.path("breached.filter")).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for damaged in [&whole[..whole.len() - 1], &changed] {
        fs::write(folder.path("breached.filter"), damaged).unwrap();
        let refused = folder.run(&["serve", "--set", setting]);
        refused.assert_refused(&["breached.filter", "relatch passwords import"]);
    }
    fs::write(folder.path("bad.txt"), format!("{list}hunter2\n")).unwrap();
    let refused = folder.run(&["passwords", "import", "bad.txt", "--to", "breached.filter"]);
    refused.assert_refused(&["line 2 of bad.txt", "ordered by hash"]);
}
