//! The hosted pages of an account: devices, history, password, address, deletion.

use crate::support::{Actor, DEVICE, HINT, HOUR, PASSWORD, REFRESH, cast};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn devices_are_listed_with_this_one_first_and_told_apart() {
    let (server, mut phone, mut ada, _) = cast().await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let firefox = "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0";
    let request = phone.request(Method::POST, "/auth/login").header("user-agent", firefox);
    phone.send(request.json(&body)).await;
    server.advance(2 * HOUR);
    let page = ada.page("account").await.raw;
    assert!(page.find("This device").unwrap() < page.find("Firefox, Windows").unwrap());
    assert!(page.contains("Last seen 2 hours ago") && page.contains("datetime=\"2027-01-15T08:00:00Z\""));
    assert!(page.contains("aria-label=\"Log out Firefox, Windows\""));
    assert_eq!(page.matches("name=\"session\"").count(), 1, "this device has the button above");
}

#[tokio::test]
async fn names_that_others_chose_are_text_and_nothing_else() {
    let (server, _, mut ada, _) = cast().await;
    let evil = "<img src=x onerror=alert(1)>\"'";
    let mut other = server.browser();
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "device_name": evil});
    let request =
        other.request(Method::POST, "/auth/login").header("user-agent", "<script>alert(2)</script>");
    other.send(request.json(&body)).await;
    for page in ["account", "history"] {
        let raw = ada.page(page).await.raw;
        assert!(raw.contains("&#60;img src=x onerror=alert(1)&#62;&#34;&#39;"), "{page}: {raw}");
        assert!(!raw.contains("<img") && !raw.contains("alert(2)"), "{page}");
    }
}

#[tokio::test]
async fn a_device_is_logged_out_by_its_owner_and_by_nobody_else() {
    let (server, mut phone, mut ada, _) = cast().await;
    let phones = phone.log_in("ada@example.com").await.text("session_id");
    server.make("eve@example.com").await;
    let mut eve = server.browser();
    eve.log_in("eve@example.com").await;
    assert_eq!(eve.fill("account/end", &[("session", &phones)]).await.status, 404);
    assert_eq!(ada.fill("account/end", &[("session", "ses_nonsense")]).await.status, 404);
    assert!(phone.is_logged_in().await);
    let reply = ada.fill("account/end", &[("session", &phones)]).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/account?notice=device"));
    assert!(!phone.is_logged_in().await && ada.is_logged_in().await);
    assert!(phone.page("ended").await.raw.contains("You logged this device out from another one."));
}

#[tokio::test]
async fn a_logout_clears_what_opened_the_session() {
    let (_server, mut anon, mut ada, mut copy) = cast().await;
    copy.copy_from(&ada);
    let reply = ada.fill("logout", &[("a", "b")]).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/ended?reason=logout"));
    assert_eq!(reply.cookies(), [REFRESH, HINT]);
    assert!(ada.cookies.contains_key(DEVICE) && !ada.is_logged_in().await);
    assert!(copy.page("ended").await.raw.contains("You have logged out on this device."));
    assert_eq!(anon.fill("logout", &[("a", "b")]).await.status, 303, "whatever the cookies are worth");
    assert_eq!(
        anon.page("logout").await.header("location"),
        "/auth/pages/account",
        "looking logs nobody out"
    );
}

#[tokio::test]
async fn logging_out_everywhere_ends_the_others_or_all() {
    let (_server, mut phone, mut ada, _) = cast().await;
    phone.log_in("ada@example.com").await;
    let reply = ada.fill("account/end-all", &[("keep", "this")]).await;
    assert_eq!(reply.header("location"), "/auth/pages/account?notice=others");
    assert!(ada.is_logged_in().await && !phone.is_logged_in().await);
    assert!(ada.page("account?notice=others").await.raw.contains("All other devices were logged out."));
    phone.log_in("ada@example.com").await;
    let reply = ada.fill("account/end-all", &[("keep", "none")]).await;
    assert_eq!((reply.header("location"), reply.cookies().len()), ("/auth/pages/ended?reason=logout_all", 2));
    assert!(!ada.is_logged_in().await && !phone.is_logged_in().await);
}

#[tokio::test]
async fn who_is_not_logged_in_is_led_to_the_login_and_back() {
    let (_server, mut anon, ..) = cast().await;
    for page in ["account", "history", "password", "email", "delete"] {
        let back = format!("/auth/pages/login?return_to=%2Fauth%2Fpages%2F{page}");
        assert_eq!(anon.page(page).await.header("location"), back);
    }
    let reply = anon.page("account?return_to=%2Fapp").await;
    let back = "/auth/pages/login?return_to=%2Fauth%2Fpages%2Faccount%3Freturn_to%3D%252Fapp";
    assert_eq!(reply.header("location"), back, "and from there to where they came from");
    for page in ["account/end", "account/end-all", "password", "email", "delete"] {
        let reply = anon.fill(page, &[("current_password", PASSWORD), ("new_password", "x")]).await;
        assert_eq!(reply.status, 303, "{page}");
        assert!(reply.header("location").starts_with("/auth/pages/login?return_to="));
    }
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let (_server, mut phone, mut ada, _) = cast().await;
    phone.log_in("ada@example.com").await;
    let change = async |ada: &mut Actor, current: &str, new: &str| {
        ada.fill("password", &[("current_password", current), ("new_password", new)]).await
    };
    let wrong = change(&mut ada, "wrong horse", "another horse battery").await;
    assert_eq!((wrong.status, wrong.cookies().len()), (403, 0));
    assert!(wrong.raw.contains("id=\"current_password-fault\"") && ada.is_logged_in().await);
    assert_eq!(change(&mut ada, PASSWORD, "ada@example.com").await.status, 422);
    assert_eq!(change(&mut ada, PASSWORD, "").await.status, 422);
    let before = ada.refresh_cookie();
    let reply = change(&mut ada, PASSWORD, "another horse battery").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/account?notice=password"));
    assert_eq!(reply.cookies(), [REFRESH, HINT]);
    assert!(ada.refresh_cookie() != before);
    assert_eq!(ada.page("account").await.status, 200, "this device goes on");
    assert!(phone.page("ended").await.raw.contains("Your password was changed"));
}

#[tokio::test]
async fn guessing_the_current_password_is_limited_on_every_page_together() {
    let (_server, _, mut ada, _) = cast().await;
    let mut last = 0;
    for round in 0..21 {
        let page = ["password", "email", "delete"][round % 3];
        let fields =
            [("current_password", "wrong"), ("new_password", PASSWORD), ("new_email", "a@b.example")];
        last = ada.fill(page, &fields).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn an_address_is_changed_by_pages_alone() {
    let (server, mut anon, mut ada, _) = cast().await;
    let ask = async |ada: &mut Actor, new: &str, password: &str| {
        ada.fill("email", &[("new_email", new), ("current_password", password)]).await
    };
    let wrong = ask(&mut ada, "ada@elsewhere.example", "wrong horse").await;
    assert!(wrong.status == 403 && wrong.raw.contains("value=\"ada@elsewhere.example\""));
    assert_eq!(ask(&mut ada, "nowhere", PASSWORD).await.status, 422);
    let reply = ask(&mut ada, "ada@elsewhere.example", PASSWORD).await;
    assert_eq!(reply.header("location"), "/auth/pages/message?of=email");
    let code = server.mailed_code_to("ada@elsewhere.example").await;
    assert!(
        ada.page("account").await.raw.contains("<bdi>ada@example.com</bdi>"),
        "not before it is confirmed"
    );
    assert_eq!(anon.fill("change-email", &[("token", "rll_x")]).await.status, 400);
    assert_eq!(anon.page("change-email").await.status, 200);
    let reply = anon.fill("change-email", &[("token", &code)]).await;
    assert_eq!(reply.header("location"), "/auth/pages/message?of=email-changed");
    assert!(ada.page("account").await.raw.contains("<bdi>ada@elsewhere.example</bdi>"));
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_is_409() {
    let (server, mut anon, mut ada, _) = cast().await;
    let fields = [("new_email", "bob@example.com"), ("current_password", PASSWORD)];
    ada.fill("email", &fields).await;
    let code = server.mailed_code_to("bob@example.com").await;
    server.make("bob@example.com").await;
    let reply = anon.fill("change-email", &[("token", &code)]).await;
    assert_eq!(reply.status, 409);
    assert!(!reply.raw.contains("href=\"#email\""), "the form has no such field");
}

#[tokio::test]
async fn an_account_is_deleted_by_who_knows_its_password() {
    let (_server, mut phone, mut ada, _) = cast().await;
    phone.log_in("ada@example.com").await;
    assert_eq!(ada.fill("delete", &[("current_password", "wrong horse")]).await.status, 403);
    assert_eq!(ada.fill("delete", &[("a", "b")]).await.status, 422);
    assert!(ada.is_logged_in().await);
    let reply = ada.fill("delete", &[("current_password", PASSWORD)]).await;
    assert_eq!(reply.header("location"), "/auth/pages/ended?reason=user_deleted");
    assert_eq!(reply.cookies(), [REFRESH, HINT]);
    assert_eq!(phone.page("account").await.status, 303);
    assert_eq!(ada.fill("login", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.status, 401);
}

#[tokio::test]
async fn a_long_history_comes_in_pages() {
    let (_server, mut anon, mut ada, _) = cast().await;
    for _ in 0..2 {
        anon.log_in("ada@example.com").await;
    }
    let page = ada.page("history?limit=2").await.raw;
    assert_eq!(page.matches("<time").count(), 2);
    let older = page.split("href=\"/auth/pages/history?cursor=").nth(1).unwrap().split('"').next().unwrap();
    let next = ada.page(&format!("history?cursor={older}")).await.raw;
    assert!(next.contains("Account created") && next.contains("Newest"));
    assert_eq!(ada.page("history?cursor=nonsense").await.status, 422);
}
