//! The hosted pages of two-step login: enrol, answer the challenge, recovery codes, removal.

use crate::support::{Actor, Authenticator, DEVICE, HINT, PASSWORD, REFRESH, Reply, cast};
use serde_json::json;

const ADA: &str = "ada@example.com";

/// What stands in a hidden field of a form.
fn hidden<'r>(reply: &'r Reply, name: &str) -> &'r str {
    let (_, rest) = reply
        .raw
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap_or_else(|| panic!("no field {name} in {}", reply.raw));
    rest.split('"').next().unwrap()
}

/// Right password: the page that asks for a code.
async fn challenged(actor: &mut Actor, page: &str) -> Reply {
    let reply = actor.fill(page, &[("email", ADA), ("password", PASSWORD), ("remember", "yes")]).await;
    assert_eq!((reply.status, reply.cookies().len()), (200, 0), "{reply:?}");
    reply
}

#[tokio::test]
async fn an_app_is_added_by_pages_alone_and_its_secrets_are_shown_once() {
    let (server, _, mut ada, _) = cast().await;
    assert!(ada.page("factors").await.raw.contains("You have not added an app yet."));
    let form = ada.page("factors/add").await.raw;
    assert!(form.contains("name=\"current_password\"") && !form.contains("name=\"code\""));
    let refused =
        ada.fill("factors/add", &[("current_password", "wrong horse"), ("name", "My \"phone\"")]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.raw.contains("This is not your current password."));
    assert!(refused.raw.contains("value=\"My &#34;phone&#34;\""), "what was typed is kept: {}", refused.raw);

    let begun = ada.fill("factors/add", &[("current_password", PASSWORD), ("name", "My <phone>")]).await;
    assert_eq!((begun.status, begun.header("cache-control")), (200, "no-store"));
    assert!(begun.raw.contains("<svg") && begun.raw.contains("inputmode=\"numeric\""));
    assert!(begun.raw.contains("autocomplete=\"one-time-code\""));
    for inline in [" style=", "<style", "onclick", "<script>"] {
        assert!(!begun.raw.contains(inline), "{inline}");
    }
    let secret = begun.raw.split("class=\"seed\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let (app, id) = (Authenticator::of(&secret), hidden(&begun, "factor_id").to_owned());
    let wrong = ada.fill("factors/confirm", &[("factor_id", &id), ("code", &app.wrong_code(&server))]).await;
    assert_eq!(wrong.status, 403);
    assert!(
        wrong.raw.contains("id=\"code-fault\"")
            && !wrong.raw.contains(&secret)
            && !wrong.raw.contains("<svg")
    );
    let done = ada.fill("factors/confirm", &[("factor_id", &id), ("code", &app.code(&server))]).await;
    assert_eq!(done.status, 200);
    let codes: Vec<&str> =
        done.raw.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(codes.len(), 10);

    let overview = ada.page("factors").await.raw;
    assert!(overview.contains("My &#60;phone&#62;") && overview.contains("Recovery codes left: 10"));
    for page in ["factors", "factors/add", "factors/codes", "factors/confirm", "history"] {
        let raw = ada.page(page).await.raw;
        assert!(!raw.contains(&secret) && !raw.contains(codes[0]), "{page}");
    }
    assert!(ada.page("history").await.raw.contains("Authenticator app added"));
}

#[tokio::test]
async fn a_login_by_pages_asks_for_a_code_and_leads_on_to_where_it_came_from() {
    let (server, mut anon, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let asked = challenged(&mut anon, "login?return_to=%2Fapp%3Fa%3D1").await;
    assert_eq!(asked.header("cache-control"), "no-store");
    assert!(asked.raw.contains("action=\"/auth/pages/challenge?return_to=%2Fapp%3Fa%3D1\""), "{}", asked.raw);
    assert!(asked.raw.contains("inputmode=\"numeric\" autocomplete=\"one-time-code\""));
    let ticket = hidden(&asked, "mfa_token").to_owned();

    let page = "challenge?return_to=%2Fapp%3Fa%3D1";
    let wrong = anon.fill(page, &[("mfa_token", &ticket), ("code", &app.wrong_code(&server))]).await;
    assert_eq!((wrong.status, wrong.cookies().len()), (401, 0));
    assert!(wrong.raw.contains("This code is wrong") && wrong.raw.contains("<title>Error: "));
    assert_eq!(hidden(&wrong, "mfa_token"), ticket);
    let empty = anon.fill(page, &[("mfa_token", &ticket)]).await;
    assert_eq!(empty.status, 422);
    let right = anon.fill(page, &[("mfa_token", &ticket), ("code", &app.code(&server))]).await;
    assert_eq!((right.status, right.header("location")), (303, "/app?a=1"));
    assert_eq!(right.cookies(), [REFRESH, HINT, DEVICE]);
    assert!(anon.page("account").await.raw.contains(ADA));
}

#[tokio::test]
async fn a_recovery_code_will_do_on_the_page_too() {
    let (server, mut anon, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let asked = challenged(&mut anon, "login").await;
    assert!(asked.raw.contains("<summary>I don’t have my phone</summary>"));
    let ticket = hidden(&asked, "mfa_token").to_owned();
    let wrong = anon.fill("challenge", &[("mfa_token", &ticket), ("recovery_code", "0000-0000")]).await;
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.raw.contains("id=\"recovery_code-fault\"")
            && wrong.raw.contains("<details class=\"aside\" open>")
    );
    let code = app.recovery_codes[0].as_str();
    let right = anon.fill("challenge", &[("mfa_token", &ticket), ("recovery_code", code)]).await;
    assert_eq!((right.status, right.header("location")), (303, "/auth/pages/account"));
    assert!(anon.page("history").await.raw.contains("Recovery code used"));
}

#[tokio::test]
async fn a_challenge_that_took_too_long_begins_anew_and_keeps_the_way_back() {
    let (server, mut anon, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let asked = challenged(&mut anon, "login?return_to=%2Fapp").await;
    let ticket = hidden(&asked, "mfa_token").to_owned();
    server.advance(300);
    let code = app.code(&server);
    let late = anon.fill("challenge?return_to=%2Fapp", &[("mfa_token", &ticket), ("code", &code)]).await;
    assert_eq!((late.status, late.cookies().len()), (303, 0));
    let to = late.header("location").to_owned();
    assert_eq!(to, "/auth/pages/login?notice=again&return_to=%2Fapp");
    let login = anon.page(to.strip_prefix("/auth/pages/").unwrap()).await.raw;
    assert!(login.contains("That took too long."));
    let shown = anon.page("challenge?return_to=%2Fapp").await;
    assert_eq!((shown.status, shown.header("location")), (303, "/auth/pages/login?return_to=%2Fapp"));
}

#[tokio::test]
async fn a_challenge_that_another_site_sends_opens_nothing() {
    let (server, mut anon, mut ada, _) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let ticket = hidden(&challenged(&mut anon, "login").await, "mfa_token").to_owned();
    anon.origin = Some("https://evil.test".to_owned());
    let fields = [("mfa_token", ticket.as_str()), ("code", &app.code(&server))];
    let reply = anon.fill("challenge", &fields).await;
    assert_eq!((reply.status, reply.cookies().len()), (403, 0));
    for page in ["factors/add", "factors/remove", "factors/codes", "factors/confirm"] {
        ada.origin = Some("https://evil.test".to_owned());
        let fields = [("current_password", PASSWORD), ("code", app.recovery_codes[0].as_str())];
        assert_eq!(ada.fill(page, &fields).await.status, 403, "{page}");
    }
    assert_eq!(ada.get("/auth/factors").await.body["recovery_codes_left"], 10);
}

#[tokio::test]
async fn password_address_and_deletion_ask_for_a_code_on_their_pages() {
    let (server, mut anon, mut ada, _) = cast().await;
    for page in ["password", "email", "delete"] {
        assert!(!ada.page(page).await.raw.contains("name=\"code\""), "{page}");
    }
    let app = Authenticator::enrol(&server, &mut ada).await;
    let fields = |code: Option<&str>| {
        let mut fields = vec![
            ("current_password".to_owned(), PASSWORD.to_owned()),
            ("new_password".to_owned(), "another horse".to_owned()),
            ("new_email".to_owned(), "ada@elsewhere.example".to_owned()),
        ];
        fields.extend(code.map(|code| ("code".to_owned(), code.to_owned())));
        fields
    };
    for page in ["email", "password", "delete"] {
        assert!(ada.page(page).await.raw.contains("name=\"code\""), "{page}");
        for (code, text) in [(None, "Type the code that your"), (Some("000 000 0"), "This code is wrong")] {
            let fields = fields(code);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let reply = ada.fill(page, &fields).await;
            assert!(reply.status == 403 && reply.raw.contains(text), "{page} {code:?}: {}", reply.raw);
        }
    }
    let right = [("current_password", PASSWORD), ("code", app.recovery_codes[0].as_str())];
    let reply = ada.fill("delete", &right).await;
    assert_eq!(reply.header("location"), "/auth/pages/ended?reason=user_deleted");
    let body = json!({"email": ADA, "password": PASSWORD});
    assert_eq!(anon.post("/auth/login", body).await.verdict(), "401 invalid_credentials");
}

#[tokio::test]
async fn an_app_is_removed_and_codes_are_made_anew_on_their_pages() {
    let (server, _, mut ada, mut eve) = cast().await;
    let app = Authenticator::enrol(&server, &mut ada).await;
    let codes = [("current_password", PASSWORD), ("code", app.recovery_codes[0].as_str())];
    let made = ada.fill("factors/codes", &codes).await;
    assert_eq!(made.status, 200);
    let new = made.raw.split("<li><code>").nth(1).unwrap().split('<').next().unwrap().to_owned();

    server.make("eve@example.com").await;
    eve.log_in("eve@example.com").await;
    let page = format!("factors/remove?factor={}", app.factor_id);
    assert_eq!(eve.page(&page).await.status, 404);
    let fields = [("current_password", PASSWORD), ("factor", app.factor_id.as_str())];
    assert_eq!(eve.fill("factors/remove", &fields).await.status, 404, "another's");
    assert!(ada.page(&page).await.raw.contains("Authenticator app will not be asked for any more."));
    assert_eq!(ada.fill("factors/remove", &fields).await.status, 403, "a code is missing");
    let fields = [fields[0], fields[1], ("code", app.recovery_codes[1].as_str())];
    assert_eq!(ada.fill("factors/remove", &fields).await.status, 403, "the old codes are void");
    let fields = [fields[0], fields[1], ("code", new.as_str())];
    let reply = ada.fill("factors/remove", &fields).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/factors?notice=removed"));
    let overview = ada.page("factors?notice=removed").await.raw;
    assert!(overview.contains("The app was removed.") && overview.contains("You have not added an app yet."));
}

#[tokio::test]
async fn the_pages_of_two_step_login_speak_german() {
    let (server, mut anon, mut ada, _) = cast().await;
    assert!(ada.page("factors?lang=de").await.raw.contains("<h1>Anmeldung in zwei Schritten</h1>"));
    Authenticator::enrol(&server, &mut ada).await;
    anon.page("login?lang=de").await;
    let asked = challenged(&mut anon, "login").await;
    assert!(asked.raw.contains("<h1>Noch ein Schritt</h1>") && asked.raw.contains("<html lang=\"de\">"));
}
