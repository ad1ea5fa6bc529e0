//! `GET /healthz`, `/readyz`, `/metrics`.

use crate::support::{Server, cast};
use metrics_exporter_prometheus::PrometheusBuilder;
use relatch_store::{Channel, Delivery, DeliveryId, OutboxStore};
use relatch_token::Seconds;
use serde_json::json;

#[tokio::test]
async fn alive_and_ready_are_told_apart() {
    let (server, mut anon, ..) = cast().await;
    assert_eq!(anon.get("/healthz").await.body, json!({"status": "ok"}));
    let ready = anon.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.body),
        (200, json!({"status": "ready", "store": "ok", "keys": "ok", "mail": "ok"}))
    );
    // Mail that waits is told, and makes nobody less ready.
    let at = server.app.now();
    let late = Delivery {
        id: DeliveryId([1; 16]),
        channel: Channel::Mail,
        user_id: None,
        payload: Vec::new(),
        created_at: at,
        due_at: at + Seconds(86_400),
        attempts: 0,
    };
    server.store.enqueue(vec![late]).await.unwrap();
    server.advance(599);
    assert_eq!(anon.get("/readyz").await.body["mail"], "ok");
    server.advance(1);
    let ready = anon.get("/readyz").await;
    let waiting = "1 waiting, the oldest for 10 minutes";
    assert_eq!((ready.status, &ready.body["mail"]), (200, &json!(waiting)));
    server.store.set_available(false);
    assert_eq!(anon.get("/healthz").await.status, 200);
    let not = anon.get("/readyz").await;
    assert_eq!(
        (not.status, &not.body["status"], &not.body["keys"]),
        (503, &"not_ready".into(), &"ok".into())
    );
    assert!(not.text("store").contains("the log says why") && !not.header("retry-after").is_empty());
}

#[tokio::test]
async fn metrics_are_404_where_they_have_an_address_of_their_own() {
    let (_server, mut anon, ..) = cast().await;
    assert_eq!(anon.get("/metrics").await.verdict(), "404 not_found");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let server = Server::start_with(|_| {}, None, Some(metrics)).await;
    let mut anon = server.browser();
    for path in ["/auth/sessions/ses_1", "/auth/sessions/ses_2", "/nowhere/1", "/nowhere/2"] {
        anon.delete(path).await;
    }
    let reply = anon.get("/metrics").await;
    assert!(reply.header("content-type").starts_with("text/plain; version=0.0.4"));
    let line = |route: &str, method: &str, status: &str| {
        format!("relatch_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} ")
    };
    assert!(reply.raw.contains(&line("/auth/sessions/{id}", "DELETE", "401")), "{}", reply.raw);
    assert!(reply.raw.contains(&line("(none)", "DELETE", "404")));
    assert!(!reply.raw.contains("ses_1") && !reply.raw.contains("nowhere"));
    assert!(reply.raw.contains("relatch_http_request_seconds"));
}
