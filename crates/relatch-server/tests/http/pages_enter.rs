//! The hosted pages that lead into an account: login, sign-up, an ended session, and mailed links.

use crate::support::{DEVICE, HINT, HOUR, PASSWORD, REFRESH, Server, WINDOW, cast};
use serde_json::json;

#[tokio::test]
async fn a_login_by_form_sets_the_cookies_and_leads_to_the_account() {
    let (_server, mut anon, ..) = cast().await;
    let reply = anon
        .fill("login", &[("email", "Ada@example.com"), ("password", PASSWORD), ("remember", "yes")])
        .await;
    assert_eq!(
        (reply.status, reply.header("location"), reply.raw.as_str()),
        (303, "/auth/pages/account", "")
    );
    assert_eq!(reply.cookies(), [REFRESH, HINT, DEVICE]);
    assert!(reply.header("set-cookie").contains("Max-Age"));
    assert!(anon.page("account").await.raw.contains("ada@example.com"));
    let reply = anon.fill("login", &[("email", "ada@example.com"), ("password", PASSWORD)]).await;
    assert!(!reply.header("set-cookie").contains("Max-Age"), "not to be remembered");
}

#[tokio::test]
async fn a_refused_login_says_so_and_keeps_what_was_typed_but_the_password() {
    let (_server, mut anon, ..) = cast().await;
    let wrong = anon.fill("login", &[("email", "ada@example.com"), ("password", "wrong horse")]).await;
    assert_eq!((wrong.status, wrong.cookies().len()), (401, 0));
    assert!(wrong.raw.contains("value=\"ada@example.com\"") && !wrong.raw.contains("wrong horse"));
    assert!(
        wrong.raw.contains("Email address or password is wrong.")
            && wrong.raw.contains("<title>Error: Log in")
    );
    let unknown = anon.fill("login", &[("email", "bob@example.com"), ("password", PASSWORD)]).await;
    let same = |raw: &str| raw.replace("bob@", "ada@").split("<body>").nth(1).map(str::to_owned);
    assert_eq!(
        (unknown.status, same(&unknown.raw)),
        (401, same(&wrong.raw)),
        "nobody learns who has an account"
    );

    let reply = anon.fill("login", &[("email", "\"><script>alert(1)</script>")]).await;
    assert_eq!(reply.status, 422);
    assert!(
        reply.raw.contains("id=\"email-fault\"") && reply.raw.contains("aria-describedby=\"email-fault\"")
    );
    assert!(reply.raw.contains("id=\"password-fault\"") && reply.raw.contains("href=\"#password\""));
    assert!(!reply.raw.contains("<script>alert") && reply.raw.contains("&#60;script&#62;"));
}

#[tokio::test]
async fn too_many_logins_are_429_and_say_when_to_try_again() {
    let (_server, mut anon, ..) = cast().await;
    let wrong = [("email", "ada@example.com"), ("password", "wrong horse")];
    let mut reply = anon.fill("login", &wrong).await;
    for _ in 0..20 {
        reply = anon.fill("login", &wrong).await;
    }
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(reply.raw.contains("Too many attempts. Try again in "));
}

#[tokio::test]
async fn who_is_logged_in_is_told_so_and_not_sent_round() {
    let (_server, _, mut ada, _) = cast().await;
    for page in ["login", "signup", "ended?reason=idle"] {
        let reply =
            ada.page(&format!("{page}{}return_to=%2Fapp", if page.contains('?') { '&' } else { '?' })).await;
        assert_eq!(reply.status, 200);
        assert!(
            reply.raw.contains("<bdi>ada@example.com</bdi>") && reply.raw.contains("href=\"/app\""),
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_sign_up_by_form_begins_a_session_or_says_what_is_wrong() {
    let (_server, mut bob, ..) = cast().await;
    let fields = |password| [("email", "bob@example.com"), ("password", password), ("name", "Bob <b>")];
    let reply = bob.fill("signup", &fields("password1")).await;
    assert_eq!(reply.status, 422);
    assert!(
        reply.raw.contains("among the first that attackers try") && reply.raw.contains("Bob &#60;b&#62;")
    );
    assert!(bob.fill("signup", &fields("short")).await.raw.contains("Use at least 8 characters."));
    let taken = bob.fill("signup", &[("email", "ada@example.com"), ("password", PASSWORD)]).await;
    assert_eq!((taken.status, taken.cookies().len()), (409, 0));
    let reply = bob.fill("signup?return_to=%2Fapp", &fields(PASSWORD)).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/app"));
    assert_eq!(reply.cookies(), [REFRESH, HINT, DEVICE]);
    let account = bob.page("account").await.raw;
    assert!(account.contains("<bdi>Bob &#60;b&#62;</bdi>") && account.contains("not confirmed yet"));
}

#[tokio::test]
async fn a_sign_up_that_is_finished_by_mail_works_by_pages_alone() {
    let server = Server::start(|config| config.signup.verify_email_first = true).await;
    let mut bob = server.browser();
    let fields = [("email", "bob@example.com"), ("password", PASSWORD)];
    let reply = bob.fill("signup", &fields).await;
    assert_eq!((reply.status, reply.cookies().len()), (303, 0));
    assert_eq!(reply.header("location"), "/auth/pages/message?of=signup");
    let code = server.mailed_code().await;
    let link = format!("{}/auth/pages/verify#{code}", server.url);
    assert!(server.mailbox.messages()[0].1.text.expose().contains(&link), "the message leads to the page");
    assert_eq!(bob.fill("login", &fields).await.status, 403);
    for _ in 0..2 {
        // Mail scanners open links, whole ones too; only the form uses the code up.
        assert_eq!(bob.page(&format!("verify?token={code}")).await.status, 200);
    }
    let reply = bob.fill("verify", &[("token", &code)]).await;
    assert_eq!(reply.header("location"), "/auth/pages/message?of=verified");
    assert_eq!(bob.fill("verify", &[("token", &code)]).await.status, 400, "once");
    assert_eq!(bob.fill("login", &fields).await.status, 303);
}

#[tokio::test]
async fn sign_up_can_be_closed() {
    let server = Server::start(|config| config.signup.enabled = false).await;
    let mut bob = server.browser();
    let page = bob.page("signup").await.raw;
    assert!(page.contains("Nobody can sign up here") && !page.contains("name=\"password\""));
    assert_eq!(bob.fill("signup", &[("email", "bob@example.com"), ("password", PASSWORD)]).await.status, 403);
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_pages_alone() {
    let (server, mut anon, mut ada, _) = cast().await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let reply = anon.fill("forgot", &[("email", email)]).await;
        assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/message?of=reset"));
    }
    assert_eq!(anon.fill("forgot", &[("email", "nobody")]).await.status, 422);
    let code = server.mailed_code().await;
    let weak = anon.fill("reset", &[("token", &code), ("new_password", "password1")]).await;
    assert_eq!(weak.status, 422);
    let reply = anon.fill("reset", &[("token", &code), ("new_password", "another horse battery")]).await;
    assert_eq!(reply.header("location"), "/auth/pages/login?notice=reset");
    assert!(!reply.header("location").contains("rll_"));
    assert!(anon.page("login?notice=reset").await.raw.contains("Your new password is set"));
    let used = anon.fill("reset", &[("token", &code), ("new_password", "a third horse battery")]).await;
    assert_eq!(used.status, 400);
    assert!(ada.page("ended").await.raw.contains("Your password was reset"));
    assert_eq!(anon.fill("login", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.status, 401);
}

#[tokio::test]
async fn the_reason_is_that_of_the_sessions_own_row() {
    let (server, mut anon, mut ada, mut thief) = cast().await;
    thief.copy_from(&ada);
    for actor in [&mut ada, &mut thief] {
        server.advance(WINDOW + 1);
        actor.refresh().await;
    }
    assert!(!thief.cookies.contains_key(REFRESH), "caught");
    // The owner comes back, whatever the address says.
    let reply = ada.page("account").await;
    assert_eq!(reply.header("location"), "/auth/pages/ended?return_to=%2Fauth%2Fpages%2Faccount");
    let page = ada.page("ended?reason=idle").await.raw;
    assert!(page.contains("We ended your session to protect you") && page.contains("somebody stole it"));
    assert!(page.contains("href=\"/auth/pages/login\""));
    // After the login the history tells too.
    ada.fill("login", &[("email", "ada@example.com"), ("password", PASSWORD)]).await;
    let history = ada.page("history").await.raw;
    assert!(
        history.contains("Copied login detected, session ended")
            && history.contains("two parties held copies")
    );

    for (actor, words) in [(&mut anon, "log in again to continue"), (&mut thief, "log in again to continue")]
    {
        assert!(actor.page("ended").await.raw.contains(words));
    }
}

#[tokio::test]
async fn idle_and_worn_out_sessions_say_so() {
    let (server, _, mut ada, _) = cast().await;
    server.advance(15 * 24 * HOUR);
    assert!(ada.page("ended").await.raw.contains("You have not been here for a while"));
    server.advance(90 * 24 * HOUR);
    assert!(ada.page("ended").await.raw.contains("a login lasts only so long"));
}

#[tokio::test]
async fn a_reason_in_the_address_is_one_of_a_closed_list() {
    let (_server, mut anon, ..) = cast().await;
    for (reason, words) in [
        ("logout", "You have logged out on this device."),
        ("token_reused", "somebody stole it"),
        ("session_expired", "You have not been here for a while"),
        ("user_deleted", "Your account has been deleted"),
        ("%3Cscript%3Ealert(1)%3C%2Fscript%3E", "Please log in again to continue."),
        ("your+account+is+locked", "Please log in again to continue."),
    ] {
        let page = anon.page(&format!("ended?reason={reason}")).await.raw;
        assert!(
            page.contains(words) && !page.contains("<script>alert") && !page.contains("is locked"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_superseded_copy_opens_no_page_and_ends_no_session() {
    let (server, _, mut ada, mut thief) = cast().await;
    thief.copy_from(&ada);
    for _ in 0..2 {
        server.advance(HOUR);
        ada.refresh().await;
    }
    server.advance(HOUR);
    let reply = thief.page("account").await;
    assert_eq!(reply.header("location"), "/auth/pages/login?return_to=%2Fauth%2Fpages%2Faccount");
    thief.copy_from(&ada);
    thief.cookies.remove(DEVICE);
    assert_eq!(thief.page("account").await.status, 303, "nor does a copy without its device cookie");
    assert_eq!(ada.page("account").await.status, 200);
    assert_eq!(ada.refresh().await.status, 200);
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
    let by_body = thief.post("/auth/login", body).await.text("refresh_token");
    thief.copy_from(&ada);
    thief.cookies.insert(REFRESH.to_owned(), by_body);
    assert_eq!(thief.page("account").await.status, 303, "nor a token of the other transport");
}
