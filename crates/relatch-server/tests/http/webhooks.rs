//! `[[webhooks]]`: events reach a real receiver over HTTP, whatever happens to it.

use crate::support::{PASSWORD, Server};
use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use relatch_server::app::App;
use relatch_server::background::{self, Background};
use relatch_server::webhooks::Webhooks;
use relatch_store::{ChannelKind, OutboxStore};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;

/// What came to the receiver: headers and body.
type Came = (HeaderMap, String);
/// What the receiver answers to the n-th message.
type Answer = fn(usize) -> Response;

/// A receiver on a free port.
struct Receiver {
    url: String,
    came: Arc<Mutex<Vec<Came>>>,
    secret: NamedTempFile,
}

impl Receiver {
    async fn start(answer: Answer) -> Self {
        let came = Arc::<Mutex<Vec<Came>>>::default();
        let take =
            async move |State(came): State<Arc<Mutex<Vec<Came>>>>, headers: HeaderMap, body: String| {
                let mut came = came.lock().unwrap();
                came.push((headers, body));
                answer(came.len())
            };
        let router = Router::new().fallback(take).with_state(Arc::clone(&came));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/hooks?key=sesame", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let secret = NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), SECRET).unwrap();
        Self { url, came, secret }
    }

    fn config(&self, events: &[&str]) -> Value {
        json!({"name": "crm", "url": self.url, "secret_file": self.secret.path(), "events": events,
            "danger_private_address": true})
    }

    /// A server that tells this receiver of these events.
    async fn told_by_a_server(&self, events: &[&str]) -> (Server, Background) {
        let hook = serde_json::from_value(self.config(events)).unwrap();
        let server = Server::start(|config| config.webhooks = vec![hook]).await;
        // A new receiver begins with the next event.
        server.app.webhooks.list().await.unwrap();
        let tasks = background::start(&server.app);
        (server, tasks)
    }

    /// The messages, once so many are there.
    async fn messages(&self, count: usize) -> Vec<Came> {
        for _ in 0..3000 {
            let came = self.came.lock().unwrap().clone();
            if came.len() >= count {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} messages came", self.came.lock().unwrap().len());
    }
}

/// Whether a message is signed, checked by hand as a receiver would (Standard Webhooks, "Verifying").
fn is_signed((headers, body): &Came) -> bool {
    let header = |name: &str| headers[name].to_str().unwrap();
    let key = Base64::decode_vec(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let tag = Base64::decode_vec(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &tag).is_ok()
}

fn body_of((_, body): &Came) -> Value {
    serde_json::from_str(body).unwrap()
}

fn ids(messages: &[Came]) -> Vec<&str> {
    messages.iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap()).collect()
}

/// Lets time pass until nothing waits any more.
async fn empties(server: &Server) {
    for _ in 0..3000 {
        if server.store.waiting(ChannelKind::Webhook).await.unwrap().count == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something waits for ever");
}

fn ok(_: usize) -> Response {
    StatusCode::NO_CONTENT.into_response()
}

#[tokio::test]
async fn what_happens_is_told_once_signed_and_without_a_secret() {
    let receiver = Receiver::start(ok).await;
    let (server, _tasks) = receiver.told_by_a_server(&[]).await;
    let id = server.make("ada@example.com").await;
    let mut ada = server.browser();
    let session = ada.log_in("ada@example.com").await.text("session_id");
    let mut messages = receiver.messages(2).await;
    messages.sort_by_key(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned());
    assert!(messages.iter().all(is_signed));
    assert_eq!(ids(&messages), ["evt_1", "evt_2"]);
    let login = body_of(&messages[1]);
    assert_eq!(
        (login["type"].as_str(), login["timestamp"].as_str()),
        (Some("login"), Some("2027-01-15T08:00:00Z"))
    );
    assert_eq!(
        (login["data"]["user_id"].as_str(), login["data"]["session_id"].as_str()),
        (Some(&*id), Some(&*session))
    );
    assert_eq!(messages[1].0[header::CONTENT_TYPE], "application/json");
    for secret in [PASSWORD, &ada.refresh_cookie(), &ada.access_token.clone().unwrap(), SECRET] {
        assert!(!messages.iter().any(|message| format!("{message:?}").contains(secret)), "{secret}");
    }
    empties(&server).await;
}

#[tokio::test]
async fn only_the_events_that_were_asked_for_are_told() {
    let receiver = Receiver::start(ok).await;
    let (server, _tasks) = receiver.told_by_a_server(&["logout", "user_deleted"]).await;
    server.make("ada@example.com").await;
    let mut ada = server.browser();
    ada.log_in("ada@example.com").await;
    ada.post_empty("/auth/logout").await;
    let messages = receiver.messages(1).await;
    assert_eq!(body_of(&messages[0])["type"], "logout");
    empties(&server).await;
    assert_eq!(receiver.came.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_with_the_same_id_and_a_signature_of_that_time() {
    let receiver = Receiver::start(|n| match n {
        1 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        2 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1000")]).into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let (server, _tasks) = receiver.told_by_a_server(&["signed_up"]).await;
    server.make("ada@example.com").await;
    receiver.messages(1).await;
    wait_for_retry(&server, 0).await;
    server.advance(6);
    receiver.messages(2).await;
    // It asked for more patience than the schedule has.
    wait_for_retry(&server, 900).await;
    server.advance(1000);
    let messages = receiver.messages(3).await;
    assert_eq!(ids(&messages), ["evt_1"; 3]);
    assert!(messages.iter().all(is_signed));
    assert_ne!(messages[0].0["webhook-timestamp"], messages[2].0["webhook-timestamp"]);
    empties(&server).await;
}

/// Until the next attempt is that many seconds away, and further than a lease is.
async fn wait_for_retry(server: &Server, seconds: i64) {
    for _ in 0..3000 {
        let waiting = server.store.waiting(ChannelKind::Webhook).await.unwrap();
        let away = waiting.next_due_at.unwrap().as_millis() - server.app.now().as_millis();
        // A lease is a minute.
        if away >= seconds * 1000 && (seconds > 0 || away <= 6000) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no retry was planned");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver =
        Receiver::start(|_| (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response()).await;
    let (server, _tasks) = receiver.told_by_a_server(&["signed_up"]).await;
    server.make("ada@example.com").await;
    receiver.messages(1).await;
    wait_for_retry(&server, 0).await;
    assert_eq!(receiver.came.lock().unwrap().len(), 1);
    assert_eq!(server.store.waiting(ChannelKind::Webhook).await.unwrap().count, 1);
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_left_alone() {
    let receiver = Receiver::start(|_| StatusCode::GONE.into_response()).await;
    let (server, _tasks) = receiver.told_by_a_server(&["signed_up"]).await;
    server.make("ada@example.com").await;
    receiver.messages(1).await;
    empties(&server).await;
    assert_eq!(receiver.came.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_never_connected_to() {
    let receiver = Receiver::start(ok).await;
    // As somebody's DNS could make any name do, past every look at the URL.
    let mut config = receiver.config(&[]);
    config["url"] = receiver.url.replace("127.0.0.1", "localhost").into();
    config["danger_private_address"] = false.into();
    let hook = serde_json::from_value(config).unwrap();
    let server = Server::start(|config| config.webhooks = vec![hook]).await;
    let attempt = format!("{:?}", server.app.webhooks.ping("crm").await.unwrap());
    assert!(attempt.contains("no public address") && !attempt.contains("sesame"), "{attempt}");
    assert_eq!(receiver.came.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn events_are_sent_again_under_the_ids_that_they_had() {
    let receiver = Receiver::start(ok).await;
    let (server, _tasks) = receiver.told_by_a_server(&["signed_up", "login"]).await;
    server.make("ada@example.com").await;
    server.browser().log_in("ada@example.com").await;
    receiver.messages(2).await;
    empties(&server).await;
    assert_eq!(server.app.webhooks.replay("crm", relatch_store::Cursor(1)).await.unwrap(), 1);
    let messages = receiver.messages(3).await;
    assert_eq!(ids(&messages[2..]), ["evt_2"]);
    let unknown = server.app.webhooks.replay("erp", relatch_store::Cursor(0)).await.unwrap_err().to_string();
    assert!(unknown.contains("`erp`") && unknown.contains("relatch webhooks list"));
}

#[tokio::test]
async fn a_receiver_that_was_taken_out_of_the_configuration_holds_nothing_up() {
    let receiver = Receiver::start(ok).await;
    let (server, tasks) = receiver.told_by_a_server(&[]).await;
    drop(tasks);
    assert_eq!(server.store.followers().await.unwrap().len(), 1);
    let app = App { webhooks: none(&server), ..server.app.clone() };
    let _tasks = background::start(&app);
    for _ in 0..3000 {
        if server.store.followers().await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is followed for ever");
}

fn none(server: &Server) -> Webhooks {
    let (store, surroundings) = (server.app.store.clone(), server.app.surroundings.clone());
    Webhooks::open(&[], store, surroundings).unwrap()
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
