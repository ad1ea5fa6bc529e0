//! `/auth/devices`.

use crate::support::{Actor, DEVICE, HINT, PASSWORD, REFRESH, Reply, Server, cast};
use reqwest::Method;
use serde_json::{Value, json};

impl Actor {
    async fn devices(&mut self) -> Vec<Value> {
        let reply = self.get("/auth/devices").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["devices"].as_array().unwrap().clone()
    }

    async fn name_device(&mut self, id: &str, body: Value) -> Reply {
        let request = self.request(Method::PATCH, &format!("/auth/devices/{id}")).json(&body);
        self.send(request).await
    }

    async fn forget_device(&mut self, id: &str) -> Reply {
        self.delete(&format!("/auth/devices/{id}")).await
    }

    async fn own_device(&mut self) -> String {
        let devices = self.devices().await;
        id(devices.iter().find(|device| device["current"] == true).unwrap())
    }
}

fn id(device: &Value) -> String {
    device["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_is_one_device_over_all_its_logins_and_an_app_is_one_by_itself() {
    let (server, _, mut ada, _) = cast().await;
    server.advance(600);
    ada.post_empty("/auth/logout").await;
    ada.log_in("ada@example.com").await;
    server.advance(600);
    let mut app = server.program();
    app.log_in_by_body("ada@example.com").await;
    let devices = ada.devices().await;
    let members: Vec<&str> = devices[0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["id", "current", "name", "user_agent", "ip", "first_seen_at", "last_seen_at", "sessions"];
    assert_eq!(members, expected);
    let told = |device: &Value, name: &str| device[name].to_string().replace('"', "");
    let rows: Vec<[String; 4]> = devices
        .iter()
        .map(|device| ["current", "first_seen_at", "last_seen_at", "sessions"].map(|name| told(device, name)))
        .collect();
    assert_eq!(
        rows,
        [
            ["false", "2027-01-15T08:20:00Z", "2027-01-15T08:20:00Z", "1"],
            ["true", "2027-01-15T08:00:00Z", "2027-01-15T08:10:00Z", "1"],
        ]
    );
    assert!(devices.iter().all(|device| id(device).starts_with("dev_")));
    // A refresh is heard of, and a device without a session is still known.
    server.advance(60);
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(ada.devices().await[0]["last_seen_at"], "2027-01-15T08:21:00Z");
    ada.post_empty("/auth/logout").await;
    let left = app.devices().await;
    assert_eq!((&left[0]["sessions"], &left[0]["last_seen_at"]), (&json!(0), &json!("2027-01-15T08:21:00Z")));
    assert_eq!(left[1]["current"], true);
}

#[tokio::test]
async fn two_people_in_one_browser_have_a_device_each_and_nothing_leads_to_the_cookie() {
    let (server, mut bob, mut ada, _) = cast().await;
    server.make("bob@example.com").await;
    bob.cookies.insert(DEVICE.to_owned(), ada.cookies[DEVICE].clone());
    bob.log_in("bob@example.com").await;
    assert_eq!(bob.cookies[DEVICE], ada.cookies[DEVICE], "they share it");
    let (of_ada, of_bob) = (ada.devices().await, bob.devices().await);
    assert_eq!((of_ada.len(), of_bob.len()), (1, 1));
    assert_ne!(id(&of_ada[0]), id(&of_bob[0]));
    let hash = relatch_server::device::DeviceCookie::parse(&ada.cookies[DEVICE]).unwrap().hash();
    let drawn = id(&of_ada[0]).parse::<relatch_token::DeviceId>().unwrap();
    assert!(!drawn.as_bytes().windows(4).any(|part| hash.0.windows(4).any(|other| other == part)));
}

#[tokio::test]
async fn a_name_is_kept_over_logins_and_shows_wherever_the_device_does() {
    let (_server, _, mut ada, _) = cast().await;
    let device = ada.own_device().await;
    let reply = ada.name_device(&device, json!({"name": " Ada's laptop "})).await;
    assert_eq!(
        (reply.status, reply.text("name"), reply.text("id")),
        (200, "Ada's laptop".into(), device.clone())
    );
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "device_name": "Chrome"});
    assert_eq!(ada.post("/auth/login", body).await.status, 200);
    assert_eq!(ada.devices().await[0]["name"], "Ada's laptop");
    assert_eq!(ada.get("/auth/me").await.body["session"]["device_name"], "Ada's laptop");
    let events = ada.get("/auth/events").await.body["events"].clone();
    let login = events.as_array().unwrap().iter().find(|event| event["type"] == "login").unwrap();
    assert_eq!(login["device_name"], "Ada's laptop");
    let kinds: Vec<&str> =
        events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"device_renamed"), "{kinds:?}");

    for (wrong, code) in [
        (json!({}), "name: missing"),
        (json!({"name": "  "}), "name: missing"),
        (json!({"name": "x".repeat(65)}), "name: too_long"),
        (json!({"name": "a\nb"}), "name: control_character"),
        (json!({"name": 7}), "name: wrong_type"),
    ] {
        assert_eq!(ada.name_device(&device, wrong).await.errors(), [code]);
    }
    assert_eq!(ada.devices().await[0]["name"], "Ada's laptop");
}

#[tokio::test]
async fn forgetting_a_device_logs_it_out_and_makes_it_new() {
    let (server, mut phone, mut ada, _) = cast().await;
    phone.log_in("ada@example.com").await;
    let of_phone = phone.own_device().await;
    assert_eq!(ada.forget_device(&of_phone).await.status, 204);
    assert_eq!(phone.get("/auth/me").await.verdict(), "401 token_revoked");
    let reply = phone.refresh().await;
    assert_eq!(
        (reply.verdict(), reply.text("reason")),
        ("401 session_revoked".into(), "ended_by_user".into())
    );
    assert_eq!(ada.forget_device(&of_phone).await.verdict(), "404 not_found");
    assert!(ada.is_logged_in().await);

    // It is new: an attacker who hammers locks it out, as he would any other that was never seen.
    let mut mallory = server.browser();
    for _ in 0..15 {
        mallory.post("/auth/login", json!({"email": "ada@example.com", "password": "wrong horse"})).await;
    }
    assert_eq!(phone.log_in("ada@example.com").await.status, 429);
    assert_eq!(ada.log_in("ada@example.com").await.status, 200);
    server.advance(900);
    assert_eq!(phone.log_in("ada@example.com").await.status, 200);
    assert_ne!(phone.own_device().await, of_phone);
}

#[tokio::test]
async fn forgetting_ones_own_device_is_a_logout() {
    let (server, mut app, mut ada, mut copy) = cast().await;
    copy.copy_from(&ada);
    let own = ada.own_device().await;
    let reply = ada.forget_device(&own).await;
    assert_eq!((reply.status, reply.cookies()), (204, vec![REFRESH, HINT]));
    assert!(ada.cookies.contains_key(DEVICE) && !ada.is_logged_in().await);
    let reply = copy.refresh().await;
    assert_eq!((reply.verdict(), reply.text("reason")), ("401 session_revoked".into(), "logout".into()));
    app.log_in_by_body("ada@example.com").await;
    let own = app.own_device().await;
    let reply = app.forget_device(&own).await;
    assert_eq!((reply.status, reply.cookies().len()), (204, 0));
    assert!(!app.is_logged_in().await);
    drop(server);
}

#[tokio::test]
async fn nobody_names_or_forgets_the_devices_of_others() {
    let (server, mut eve, mut ada, mut anon) = cast().await;
    server.make("eve@example.com").await;
    eve.log_in("eve@example.com").await;
    let mut app = server.program();
    app.log_in_by_body("ada@example.com").await;
    for foreign in
        [ada.own_device().await, app.own_device().await, "dev_AAAAAAAAAAAAAAAAAAAAAA".into(), "ses_x".into()]
    {
        assert_eq!(eve.name_device(&foreign, json!({"name": "mine"})).await.verdict(), "404 not_found");
        assert_eq!(eve.forget_device(&foreign).await.verdict(), "404 not_found");
    }
    let own = ada.own_device().await;
    assert_eq!(anon.get("/auth/devices").await.verdict(), "401 missing_token");
    assert_eq!(anon.name_device(&own, json!({"name": "x"})).await.verdict(), "401 missing_token");
    assert_eq!(anon.forget_device(&own).await.verdict(), "401 missing_token");
    assert!(ada.is_logged_in().await && app.is_logged_in().await);
    assert_eq!(ada.devices().await[0]["name"], Value::Null);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_device_behind() {
    let server = Server::start(|_| {}).await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    let user = ada.get("/auth/me").await.body["user"]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(ada.fill("delete", &[("current_password", PASSWORD)]).await.status, 303);
    assert_eq!(relatch_store::DeviceStore::devices(&*server.store, user).await, Ok(vec![]));
}

#[tokio::test]
async fn the_account_page_names_logs_out_and_forgets_devices() {
    let (server, mut phone, mut ada, _) = cast().await;
    phone.log_in("ada@example.com").await;
    let (of_phone, own) = (phone.own_device().await, ada.own_device().await);
    let evil = "<b>phone</b>";
    let reply = ada.fill("account/rename", &[("device", &of_phone), ("name", evil)]).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/account?notice=renamed"));
    let page = ada.page("account?notice=renamed").await.raw;
    assert!(page.contains("&#60;b&#62;phone&#60;/b&#62;") && !page.contains(evil));
    assert!(page.contains("The device has its new name."));
    assert!(ada.page("account?lang=de").await.raw.contains("Benennen oder vergessen"));
    assert_eq!(ada.fill("account/rename", &[("device", &of_phone), ("name", " ")]).await.status, 303);

    phone.post_empty("/auth/logout").await;
    let page = ada.page("account?lang=en").await.raw;
    assert!(page.contains("Logged out") && page.matches("name=\"session\"").count() == 0, "{page}");
    server.make("eve@example.com").await;
    let mut eve = server.browser();
    eve.log_in("eve@example.com").await;
    assert_eq!(eve.fill("account/forget", &[("device", &of_phone)]).await.status, 404);
    assert_eq!(eve.fill("account/rename", &[("device", &of_phone), ("name", "x")]).await.status, 404);
    let reply = ada.fill("account/forget", &[("device", &of_phone)]).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/auth/pages/account?notice=forgotten"));
    assert_eq!(ada.devices().await.len(), 1);
    let reply = ada.fill("account/forget", &[("device", &own)]).await;
    assert_eq!(reply.header("location"), "/auth/pages/ended?reason=logout");
    assert_eq!(reply.cookies(), [REFRESH, HINT]);
    assert!(!ada.is_logged_in().await);
    ada.origin = Some("https://evil.test".to_owned());
    assert_eq!(ada.fill("account/forget", &[("device", &own)]).await.status, 403);
}
