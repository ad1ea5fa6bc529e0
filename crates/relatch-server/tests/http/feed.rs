//! `GET /feed/revocations`.

use crate::support::{Actor, cast};
use relatch_server::api_keys::ApiScope;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// A feed that is being read.
struct Following {
    response: Response,
    text: String,
}

impl Following {
    async fn start(verifier: &Actor, path: &str, last: Option<&str>) -> Self {
        let mut request = verifier.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event: its name, id and data.
    async fn next(&mut self) -> (String, String, Value) {
        while !self.text.contains("\n\n") {
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await;
            let chunk = chunk.expect("nothing came").unwrap().expect("the feed ended");
            self.text.push_str(str::from_utf8(&chunk).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned()
        };
        let found = (field("event:"), field("id:"), serde_json::from_str(&field("data:")).unwrap());
        self.text = rest.to_owned();
        found
    }
}

#[tokio::test]
async fn a_verifier_gets_a_snapshot_and_then_what_happens_within_a_second() {
    let (server, mut anon, mut ada, mut third) = cast().await;
    anon.log_in("ada@example.com").await;
    let first = third.log_in("ada@example.com").await.text("session_id");
    third.post_empty("/auth/logout").await;
    let verifier = server.program().with_token(&server.key(&[ApiScope::Verify]).await);
    let mut feed = Following::start(&verifier, "/feed/revocations", None).await;
    let (name, _, part) = feed.next().await;
    assert_eq!((name.as_str(), &part["more"]), ("snapshot", &false.into()));
    assert_eq!(
        part["entries"],
        json!([{"type": "session", "session_id": first, "at": "2027-01-15T08:00:00Z"}])
    );

    let second = anon.get("/auth/me").await.body["session"]["id"].clone();
    anon.post_empty("/auth/logout").await;
    let told = tokio::time::timeout(Duration::from_secs(1), feed.next()).await.unwrap();
    assert_eq!((told.0.as_str(), &told.2["entries"][0]["session_id"]), ("entries", &second));

    let me = ada.get("/auth/me").await;
    ada.post("/auth/logout-all", json!({"keep_current": true})).await;
    let entry = feed.next().await.2["entries"][0].clone();
    assert_eq!((&entry["type"], &entry["user_id"]), (&"user".into(), &me.body["user"]["id"]));
    assert_eq!(entry["keep_session_id"], me.body["session"]["id"]);
    drop(feed);

    let mut resumed = Following::start(&verifier, "/feed/revocations?cursor=0", Some(&told.1)).await;
    let (name, _, part) = resumed.next().await;
    assert_eq!((name.as_str(), &part["entries"][0]), ("entries", &entry));
    let (name, ..) = resumed.next().await;
    assert_eq!(name, "heartbeat");
}

#[tokio::test]
async fn a_cursor_from_another_life_starts_over_and_nonsense_is_refused() {
    let (server, ..) = cast().await;
    let mut verifier = server.program().with_token(&server.key(&[ApiScope::Verify]).await);
    let mut feed = Following::start(&verifier, "/feed/revocations?cursor=999999", None).await;
    assert_eq!(feed.next().await.0, "snapshot");
    assert_eq!(verifier.get("/feed/revocations?cursor=x").await.verdict(), "422 validation_failed");
    let mut other = server.program().with_token(&server.key(&[ApiScope::Users]).await);
    assert_eq!(other.get("/feed/revocations").await.verdict(), "403 insufficient_scope");
    assert_eq!(server.program().get("/feed/revocations").await.verdict(), "401 missing_token");
}
