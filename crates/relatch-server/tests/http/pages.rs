//! What holds for every hosted page: who is shown it, under which policy, from where, in which language.

use crate::support::{Actor, DEVICE, HINT, HOUR, PASSWORD, REFRESH, Reply, Server, WINDOW, cast};
use relatch_store::{AccountStore, EventFilter, EventStore, SessionStore};
use reqwest::Method;
use serde_json::json;
use tower::ServiceExt;

/// Every page that anybody sees without a session.
pub const OPEN: [&str; 9] = [
    "login",
    "signup",
    "ended",
    "ended?reason=token_reused",
    "forgot",
    "reset",
    "verify",
    "change-email",
    "message?of=verified",
];

/// Every page of somebody who is logged in.
pub const OWN: [&str; 8] =
    ["account", "history", "password", "factors", "factors/add", "factors/codes", "email", "delete"];

impl Actor {
    /// Asks for a page, as somebody would who follows a link on one of ours.
    pub async fn page(&mut self, page: &str) -> Reply {
        self.page_from(page, "same-origin").await
    }

    /// The same, coming from elsewhere.
    pub async fn page_from(&mut self, page: &str, from: &str) -> Reply {
        let request =
            self.request(Method::GET, &format!("/auth/pages/{page}")).header("sec-fetch-site", from);
        self.send(request).await
    }

    /// Sends the form of a page.
    pub async fn fill(&mut self, page: &str, fields: &[(&str, &str)]) -> Reply {
        self.form(&format!("/auth/pages/{page}"), fields).await
    }
}

/// All users, sessions and events, as they are kept.
async fn everything(server: &Server) -> String {
    let store = &server.store;
    let users = store.users(None, 100).await.unwrap();
    let mut text = format!("{users:?}");
    for user in users {
        text += &format!("{:?}", store.list(user.id, server.app.now(), 100).await.unwrap());
    }
    let all = EventFilter { limit: EventFilter::LIMIT_MAX, ..EventFilter::default() };
    text + &format!("{:?}", store.events(all).await.unwrap())
}

#[tokio::test]
async fn every_page_is_under_a_strict_policy_and_kept_nowhere() {
    let (_server, mut anon, mut ada, _) = cast().await;
    let mut nonces = Vec::new();
    for (actor, pages) in [(&mut anon, &OPEN[..]), (&mut ada, &OWN[..])] {
        for page in pages.iter().chain(&["nothing-here"]) {
            let reply = actor.page(page).await;
            let policy = reply.header("content-security-policy").to_owned();
            let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
            assert_eq!(
                policy.replace(&nonce, "N"),
                "default-src 'none'; script-src 'nonce-N'; style-src 'nonce-N'; img-src 'self'; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'",
                "{page}"
            );
            assert_eq!(reply.header("cache-control"), "no-store", "{page}");
            assert_eq!(reply.header("referrer-policy"), "same-origin");
            assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin");
            assert_eq!(reply.header("x-frame-options"), "DENY");
            for script in reply.raw.split("<script").skip(1) {
                assert!(
                    script.contains("src=\"/auth/pages/assets/") && script.contains("></script>"),
                    "{script}"
                );
            }
            for inline in [" style=", "<style", " onclick", " onload", "javascript:", "http://", "https://"] {
                assert!(!reply.raw.contains(inline), "{page}: {inline}");
            }
            nonces.push(nonce);
        }
    }
    let count = nonces.len();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), count, "a nonce is used once");
}

#[tokio::test]
async fn showing_a_page_moves_no_head_and_writes_nothing() {
    let (server, _, mut ada, _) = cast().await;
    server.advance(HOUR);
    ada.refresh().await;
    for wait in [0, WINDOW - 1, 2] {
        server.advance(wait);
        let before = everything(&server).await;
        for page in OWN.iter().chain(&OPEN) {
            let reply = ada.page(page).await;
            assert_eq!((reply.status, reply.cookies().len()), (200, 0), "{page}");
        }
        assert_eq!(before, everything(&server).await);
    }
    server.advance(HOUR);
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn no_page_holds_a_secret() {
    let (_server, _, mut ada, _) = cast().await;
    let secrets =
        [ada.cookies[REFRESH].clone(), ada.cookies[DEVICE].clone(), ada.access_token.clone().unwrap()];
    for page in OWN.iter().chain(&OPEN) {
        let reply = ada.page(page).await;
        for secret in secrets.iter().map(String::as_str).chain(["rlt_", "eyJ", PASSWORD]) {
            assert!(!reply.raw.contains(secret), "{page}: {secret}");
        }
    }
    let wrong = [("current_password", "my old secret"), ("new_password", "short")];
    let reply = ada.fill("password", &wrong).await;
    assert!(
        reply.status == 403 && !reply.raw.contains("my old secret") && !reply.raw.contains("value=\"short")
    );
}

#[tokio::test]
async fn a_form_that_another_site_sends_changes_nothing() {
    let server = Server::start(|config| {
        config.server.allowed_origins = vec!["https://app.example.com".to_owned().try_into().unwrap()];
    })
    .await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    let cookies = ada.cookies.clone();
    let credentials = [("email", "ada@example.com"), ("password", PASSWORD)];
    let token = [("token", "rll_x"), ("new_password", "correct horse")];
    let change = [("current_password", PASSWORD), ("new_password", "another horse battery")];
    let before = everything(&server).await;
    // Not a listed one either: listed origins may call the API, forms come from our own pages.
    for origin in [None, Some("null"), Some("https://evil.test"), Some("https://app.example.com")] {
        ada.origin = origin.map(str::to_owned);
        for (page, fields) in [
            ("login", &credentials[..]),
            ("signup", &credentials),
            ("forgot", &credentials[..1]),
            ("reset", &token),
            ("verify", &token[..1]),
            ("change-email", &token[..1]),
            ("logout", &[]),
            ("account/end", &[("session", "ses_x")]),
            ("account/end-all", &[("keep", "none")]),
            ("password", &change),
            ("email", &[("new_email", "eve@example.com"), ("current_password", PASSWORD)]),
            ("delete", &change[..1]),
        ] {
            let reply = ada.fill(page, fields).await;
            assert_eq!((reply.status, reply.cookies().len()), (403, 0), "{page} from {origin:?}");
            assert!(
                reply.raw.contains("Nothing was changed")
                    && reply.header("content-type").starts_with("text/html")
            );
        }
    }
    assert_eq!(before, everything(&server).await);
    let request = ada.request(Method::POST, "/auth/pages/logout").header("sec-fetch-site", "same-site");
    assert_eq!(ada.send(request.form(&[("", "")])).await.status, 403);
    assert_eq!(ada.cookies, cookies);
    ada.origin = Some("null".to_owned());
    let request = ada.request(Method::POST, "/auth/pages/logout").header("sec-fetch-site", "same-origin");
    assert_eq!(
        ada.send(request.form(&[("a", "b")])).await.status,
        303,
        "our own page, whatever its Origin says"
    );
}

#[tokio::test]
async fn who_follows_a_link_from_outside_is_not_taken_for_logged_out() {
    let (_server, mut anon, mut ada, _) = cast().await;
    let refresh = ada.cookies.remove(REFRESH).unwrap();
    for from in ["cross-site", "none", "same-site"] {
        // A Strict cookie stays behind; the Lax ones tell that somebody has been here.
        let reply = ada.page_from("history?cursor=9", from).await;
        assert_eq!(reply.status, 200);
        let again = "/auth/pages/history?cursor=9&#38;reloaded=1";
        assert!(
            reply.raw.contains(&format!("<meta http-equiv=\"refresh\" content=\"0;url={again}\">")),
            "{}",
            reply.raw
        );
    }
    let mut here = ada.clone();
    here.cookies.insert(REFRESH.to_owned(), refresh);
    assert_eq!(
        here.page("account?reloaded=1").await.status,
        200,
        "asked for by our own page, the cookie is there"
    );

    // Once, and not again: whoever has no session is told so.
    for (page, from) in [("account?reloaded=1", "cross-site"), ("account", "same-origin")] {
        let reply = ada.page_from(page, from).await;
        assert_eq!(reply.header("location"), "/auth/pages/login?return_to=%2Fauth%2Fpages%2Faccount");
    }
    ada.cookies.remove(HINT);
    assert_eq!(ada.page_from("account", "cross-site").await.status, 200, "the device cookie alone tells too");
    assert_eq!(anon.page_from("account", "cross-site").await.status, 303, "nobody has been here");
    let plain = anon.get("/auth/pages/login").await;
    assert!(plain.status == 200 && plain.raw.contains("<form method=\"post\""));
}

#[tokio::test]
async fn an_outage_is_a_page_that_says_so_and_never_a_logout() {
    let (server, _, mut ada, _) = cast().await;
    server.store.set_available(false);
    for page in OWN.iter().chain(&["login", "ended"]) {
        let reply = ada.page(page).await;
        assert_eq!((reply.status, reply.cookies().len()), (503, 0), "{page}");
        assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
        assert!(reply.raw.contains("You are still logged in"), "{page}");
    }
    let reply = ada.fill("logout", &[("a", "b")]).await;
    assert_eq!((reply.status, reply.cookies().len()), (503, 0));
    server.store.set_available(true);
    assert_eq!(ada.page("account").await.status, 200);
}

#[tokio::test]
async fn a_page_speaks_the_language_that_was_chosen_or_the_browsers() {
    let (server, mut anon, ..) = cast().await;
    let request = anon.request(Method::GET, "/auth/pages/login").header("accept-language", "de-CH, en;q=0.5");
    let reply = anon.send(request).await;
    assert!(reply.raw.contains("<html lang=\"de\">") && reply.raw.contains("Passwort vergessen?"));
    assert!(reply.raw.contains("href=\"/auth/pages/login?lang=en\""));
    let reply = anon.page("login?lang=de&return_to=%2Fx").await;
    assert_eq!(reply.cookies(), ["relatch-language"]);
    assert!(reply.raw.contains("href=\"/auth/pages/login?return_to=%2Fx&#38;lang=en\""));
    assert!(anon.page("signup").await.raw.contains("Konto anlegen"));
    let reply = anon.page("login?lang=%3Cscript%3E").await;
    assert!(reply.cookies().is_empty() && !reply.raw.contains("<script>"));
    let mut other = server.browser();
    assert!(other.page("login").await.raw.contains("<html lang=\"en\">"));
}

#[tokio::test]
async fn a_place_to_return_to_is_ours_or_listed_or_ignored() {
    let server = Server::start(|config| {
        config.server.allowed_origins = vec!["https://app.example.com".to_owned().try_into().unwrap()];
    })
    .await;
    server.make("ada@example.com").await;
    let credentials = [("email", "ada@example.com"), ("password", PASSWORD)];
    for (asked, leads) in [
        ("%2Fapp%3Fa%3Db%23c", "/app?a=b#c"),
        ("https%3A%2F%2Fapp.example.com%2Fx", "https://app.example.com/x"),
        ("%2F%2Fevil.test", "/auth/pages/account"),
        ("%2F%5Cevil.test", "/auth/pages/account"),
        ("%2F.%2F%2Fevil.test", "/auth/pages/account"),
        ("https%3A%2F%2Fevil.test", "/auth/pages/account"),
        ("https%3A%2F%2Fapp.example.com%40evil.test", "/auth/pages/account"),
        ("javascript%3Aalert(1)", "/auth/pages/account"),
        ("%2Fx%0D%0ASet-Cookie%3A%20a%3Db", "/auth/pages/account"),
    ] {
        let mut ada = server.browser();
        let page = format!("login?return_to={asked}");
        let shown = ada.page(&page).await;
        let listed = leads.starts_with("https:");
        let policy = shown.header("content-security-policy");
        // Chromium holds the redirect after a form against the policy too.
        assert_eq!(policy.contains("form-action 'self' https://app.example.com;"), listed, "{policy}");
        assert!(!shown.raw.contains("evil.test") && !policy.contains("evil.test"), "{asked}");
        let reply = ada.fill(&page, &credentials).await;
        assert_eq!((reply.status, reply.header("location")), (303, leads), "{asked}");
        assert!(ada.page(&page).await.raw.contains(&format!("href=\"{}\"", leads.replace('&', "&#38;"))));
    }
}

#[tokio::test]
async fn what_stands_beside_the_pages_is_served_from_here_and_kept() {
    let (_server, mut anon, ..) = cast().await;
    let page = anon.page("login").await.raw;
    let mut found = 0;
    for part in page.split("=\"/auth/pages/assets/").skip(1) {
        let address = part.split('"').next().unwrap();
        let reply = anon.get(&format!("/auth/pages/assets/{address}")).await;
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (200, "public, max-age=31536000, immutable")
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        found += 1;
    }
    assert_eq!(found, 4);
    assert_eq!(anon.get("/auth/pages/assets/logo").await.verdict(), "404 not_found");
    assert_eq!(anon.get("/auth/pages/assets/..%2f..%2fCargo.toml").await.verdict(), "404 not_found");
}

#[tokio::test]
async fn without_pages_there_are_none_and_a_message_holds_the_code_alone() {
    let server = Server::start(|config| config.pages.enabled = false).await;
    let mut bob = server.browser();
    assert_eq!(bob.get("/auth/pages/login").await.verdict(), "404 not_found");
    bob.post("/auth/signup", json!({"email": "bob@example.com", "password": PASSWORD})).await;
    server.mailed_code().await;
    assert!(!server.mailbox.messages()[0].1.text.expose().contains("/auth/pages"));
}

#[tokio::test]
async fn a_form_of_the_wrong_kind_is_answered_with_a_page() {
    let (_server, mut anon, ..) = cast().await;
    let reply = anon.post("/auth/pages/login", json!({"email": "a@b.example"})).await;
    assert_eq!((reply.status, reply.header("content-type")), (415, "text/html; charset=utf-8"));
    let twice = [("email", "a@b.example"), ("email", "c@d.example")];
    assert_eq!(anon.fill("login", &twice).await.status, 400);
    let long = "x".repeat(70_000);
    assert_eq!(anon.fill("login", &[("email", &long)]).await.status, 413);
    assert_eq!(anon.page("nothing").await.status, 404);
    assert_eq!(anon.get("/auth/pages").await.header("location"), "/auth/pages/account");
}

#[tokio::test]
async fn the_development_server_greets_and_any_other_has_nothing_at_its_root() {
    let (server, mut anon, ..) = cast().await;
    let reply = anon.get("/").await;
    assert_eq!(reply.status, 200);
    for place in ["/docs", "/dev/mail", "/dev/live", "/auth/pages/signup", "/auth/pages/account"] {
        assert!(reply.raw.contains(&format!("href=\"{place}\"")), "{place}");
        let status = anon.get(place).await.status;
        assert!(status == 200 || status == 303, "{place}: {status}");
    }
    let live = anon.get("/dev/live").await;
    assert!(live.header("content-security-policy").ends_with("base-uri 'none'; connect-src 'self'"));
    let production = relatch_server::http::router(server.app.clone(), None, None);
    for path in ["/", "/dev/live", "/dev/mail"] {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(production.clone().oneshot(request).await.unwrap().status(), 404, "{path}");
    }
}
