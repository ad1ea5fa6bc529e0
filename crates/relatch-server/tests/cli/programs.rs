//! `relatch api-keys` and `relatch clients`: what other programs prove themselves with.

use crate::support::Folder;
use serde_json::json;

/// The word after a name at the beginning of a line.
fn word<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim()
}

#[test]
fn an_api_key_does_what_its_scopes_say_until_it_is_revoked() {
    let folder = Folder::new();
    folder.make("ada@example.com");
    let server = folder.serve(&[]);
    let made = folder.ask(&["api-keys", "create", "--name", "desk", "--scopes", "users"]);
    let (id, key) = (word(&made, "id "), word(&made, "key "));
    assert!(key.starts_with("rlk_") && id.starts_with("key_"), "{made}");
    let (status, page) = server.get("/admin/users", key);
    assert_eq!((status, page["users"][0]["email"].as_str()), (200, Some("ada@example.com")));
    assert_eq!(server.get("/admin/events", key).0, 403);
    let list = folder.ask(&["api-keys", "list"]);
    assert!(list.contains(id) && list.contains("desk") && !list.contains(key), "{list}");
    folder.ask(&["api-keys", "revoke", id]);
    assert_eq!(server.get("/admin/users", key).0, 401);
    folder.run(&["api-keys", "revoke", "key_x"]).assert_refused(&["`key_x`", "`relatch api-keys list`"]);
    let unknown = folder.run(&["api-keys", "create", "--name", "desk", "--scopes", "everything"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("everything"));
}

#[test]
fn a_client_refreshes_the_session_that_was_opened_for_it_until_it_is_removed() {
    let folder = Folder::new();
    let id = folder.make("ada@example.com");
    let server = folder.serve(&[]);
    let key = folder.ask(&["api-keys", "create", "--name", "desk", "--scopes", "sessions"]);
    let added = folder.ask(&["clients", "add", "web", "--confidential", "--scopes", "read,write"]);
    let web = (word(&added, "client_id"), word(&added, "client_secret"));
    let open = json!({"user_id": id, "transport": "body", "client_id": "web", "scope": "read"});
    let (status, pair) = server.post_with("/admin/sessions", word(&key, "key "), &open);
    assert_eq!(status, 201, "{pair}");
    let token = pair["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let (status, next) = server.form("/oauth/token", web, &fields);
    assert_eq!((status, next["scope"].as_str()), (200, Some("read")), "{next}");
    let wrong = server.form("/oauth/token", ("web", "guess"), &fields);
    assert_eq!((wrong.0, wrong.1["error"].as_str()), (401, Some("invalid_client")));

    let list = folder.ask(&["clients", "list"]);
    assert!(list.contains("web") && list.contains("confidential") && list.contains("read write"), "{list}");
    assert!(!list.contains(web.1), "the secret was printed again");
    folder.run(&["clients", "add", "web"]).assert_refused(&["there is a client `web` already"]);
    folder.ask(&["clients", "remove", "web"]);
    let next = next["refresh_token"].as_str().unwrap();
    let removed =
        server.form("/oauth/token", web, &[("grant_type", "refresh_token"), ("refresh_token", next)]);
    assert_eq!((removed.0, removed.1["error"].as_str()), (401, Some("invalid_client")));
    folder.run(&["clients", "remove", "web"]).assert_refused(&["there is no registered client `web`"]);
}
