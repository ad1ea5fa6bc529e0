//! `GET /healthz`, `/readyz`, `/metrics`.

use crate::support::cast;
use serde_json::json;

#[tokio::test]
async fn alive_and_ready_are_told_apart() {
    let (server, mut anon, ..) = cast().await;
    assert_eq!(anon.get("/healthz").await.body, json!({"status": "ok"}));
    let ready = anon.get("/readyz").await;
    assert_eq!((ready.status, ready.body), (200, json!({"status": "ready", "store": "ok", "keys": "ok"})));
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
