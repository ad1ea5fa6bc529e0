//! `relatch keys`.

use crate::support::Folder;

/// The first word of each line of a table under its head.
fn column(table: &str) -> Vec<&str> {
    table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn a_rotation_publishes_the_next_key_and_keeps_the_current_one() {
    let folder = Folder::new();
    let server = folder.serve(&[]);
    let first = folder.ask(&["keys", "list"]);
    assert!(first.contains("ES256") && first.contains("current"), "{first}");
    let rotated = folder.ask(&["keys", "rotate"]);
    let states: Vec<_> =
        rotated.lines().filter(|line| line.contains("current") || line.contains("next")).collect();
    assert_eq!(states.len(), 2, "{rotated}");
    assert!(states.iter().any(|line| line.contains("current") && line.starts_with(column(&first)[0])));
    drop(server);
    let server = folder.serve(&[]);
    let keys = server.get("/.well-known/jwks.json", "").1;
    let mut kids: Vec<_> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids[0], column(&first)[0], "the current key stands first");
    kids.sort_unstable();
    let mut listed = column(&rotated);
    listed.retain(|word| word.len() > 20);
    listed.sort_unstable();
    assert_eq!(kids, listed);
}

#[test]
fn a_rotation_that_outruns_verifiers_is_refused_unless_danger_is_accepted() {
    let folder = Folder::new();
    drop(folder.serve(&[]));
    let first = folder.ask(&["keys", "list"]);
    let refused = folder.run(&["keys", "rotate", "--now"]);
    refused.assert_refused(&["verifier"]);
    assert_eq!(folder.ask(&["keys", "list"]), first, "a refused rotation changed something");
    let forced = folder.ask(&["keys", "rotate", "--danger-now"]);
    let current = forced.lines().find(|line| line.contains("current")).unwrap();
    assert!(!current.starts_with(column(&first)[0]), "{forced}");
}

#[test]
fn what_a_revoked_key_signed_is_refused_and_the_session_lives() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let mut server = folder.serve(&[]);
    let pair = server.log_in("ada@example.com").1;
    let access = pair["access_token"].as_str().unwrap();
    assert_eq!(server.get("/auth/me", access).0, 200);
    let list = folder.ask(&["keys", "list"]);
    let kid = column(&list)[0];
    assert!(folder.ask(&["keys", "revoke", kid]).contains("is revoked"));
    assert_eq!(server.terminate(), Some(0));
    let server = folder.serve(&[]);
    let (status, problem) = server.get("/auth/me", access);
    assert_eq!((status, problem["code"].as_str()), (401, Some("invalid_token")));
    let (status, next) = server.refresh(&pair);
    assert_eq!(status, 200, "{next}");
    assert_eq!(server.get("/auth/me", next["access_token"].as_str().unwrap()).0, 200);
    folder.run(&["keys", "revoke", "nobody"]).assert_refused(&["nobody"]);
}
