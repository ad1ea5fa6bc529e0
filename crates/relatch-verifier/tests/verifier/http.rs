//! The layer and the extractor: RFC 6750 challenges and problem documents.

use crate::issuer::{Answer, Issuer};
use ::http::{HeaderMap, Request, Response, StatusCode};
use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http_body_util::BodyExt;
use relatch_verifier::{AccessClaims, RequireAuth, Seconds, Verifier};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer, ServiceExt, service_fn};

#[derive(Deserialize)]
struct Plan {
    plan: String,
}

fn app(verifier: Verifier) -> Router {
    let whoami = |Extension(claims): Extension<Arc<AccessClaims>>| async move { claims.sid.clone() };
    Router::new()
        .route("/public", get(|| async { "for all" }))
        .route("/hello", get(|user: RequireAuth| async move { user.sub.clone() }))
        .route("/plan", get(|user: RequireAuth<Plan>| async move { user.custom.plan.clone() }))
        .route("/session", get(whoami).layer(verifier.layer()))
        .route("/admin", get(|| async { "done" }).layer(verifier.layer().scope("admin").scope("audit")))
        .route("/money", get(|| async { "sent" }).layer(verifier.layer().max_age(Seconds(300))))
        .route("/vault", get(|| async { "open" }).layer(verifier.layer().acr(&["2", "3"])))
        .route("/both", get(|| async { "open" }).layer(verifier.layer().acr(&["2"]).max_age(Seconds(300))))
        .with_state(verifier)
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(problem["type"].as_str().unwrap().ends_with(problem["code"].as_str().unwrap()));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem
    }
}

async fn send(app: &Router, request: Request<Body>) -> Reply {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn ask(app: &Router, path: &str, authorization: Option<&str>) -> Reply {
    let mut request = Request::builder().uri(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_good_token_reaches_the_handler_and_a_public_route_needs_none() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    assert_eq!(ask(&app, "/public", None).await.body, "for all");
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
        let reply = ask(&app, "/hello", Some(&format!("{scheme} {}", issuer.token()))).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "usr_1"), "{scheme}");
    }
    assert_eq!(ask(&app, "/session", Some(&format!("Bearer {}", issuer.token()))).await.body, "ses_1");
}

#[tokio::test]
async fn without_a_token_the_challenge_is_bare() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    for path in ["/hello", "/session", "/admin"] {
        for authorization in [None, Some("Basic YTpi"), Some("DPoP abc"), Some("")] {
            let reply = ask(&app, path, authorization).await;
            assert_eq!(
                (reply.status, reply.header("www-authenticate")),
                (StatusCode::UNAUTHORIZED, Some("Bearer"))
            );
            assert_eq!(reply.problem()["code"], "missing_token");
        }
    }
    assert_eq!(issuer.fetches(), 0, "no token, no fetch");
}

#[tokio::test]
async fn a_token_in_the_url_is_not_looked_at() {
    let issuer = Issuer::start().await;
    let reply = ask(&app(issuer.verifier()), &format!("/hello?access_token={}", issuer.token()), None).await;
    assert_eq!(reply.problem()["code"], "missing_token");
}

#[tokio::test]
async fn a_bad_token_is_told_apart_by_code_and_challenged_alike() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let app = app(verifier.clone());
    let good = issuer.token();
    let mut claims = issuer.claims();
    claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 31);
    let expired = issuer.key.token(&claims);
    claims = issuer.claims();
    claims["sid"] = json!("ses_2");
    let revoked = issuer.key.token(&claims);
    verifier
        .revocations()
        .revoke_session("ses_2", relatch_verifier::Timestamp::from_seconds(crate::issuer::NOW));
    let cases = [
        ("", "invalid_token"),
        ("rlt_abc", "invalid_token"),
        (&expired, "token_expired"),
        (&revoked, "token_revoked"),
    ];
    for path in ["/hello", "/session"] {
        for (token, code) in cases {
            let reply = ask(&app, path, Some(&format!("Bearer {token}"))).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer error="invalid_token""#));
            assert_eq!(reply.problem()["code"], code);
            assert!(token.is_empty() || !reply.body.contains(token), "the token is not repeated");
        }
    }
    let twice = Request::builder()
        .uri("/hello")
        .header("authorization", format!("Bearer {good}"))
        .header("authorization", format!("Bearer {good}"));
    assert_eq!(send(&app, twice.body(Body::empty()).unwrap()).await.problem()["code"], "invalid_token");
    let bytes = Request::builder().uri("/hello").header("authorization", &b"Bearer \xFF\xFE"[..]);
    assert_eq!(send(&app, bytes.body(Body::empty()).unwrap()).await.problem()["code"], "invalid_token");
}

#[tokio::test]
async fn every_scope_of_a_route_is_needed() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    for (scope, is_enough) in [
        (json!(null), false),
        (json!(""), false),
        (json!("admin"), false),
        (json!("administrator audit"), false),
        (json!("audit extra admin"), true),
    ] {
        let mut claims = issuer.claims();
        claims["scope"] = scope.clone();
        let reply = ask(&app, "/admin", Some(&format!("Bearer {}", issuer.key.token(&claims)))).await;
        if is_enough {
            assert_eq!(reply.body, "done");
        } else {
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{scope}");
            let challenge = r#"Bearer error="insufficient_scope", scope="admin audit""#;
            assert_eq!(reply.header("www-authenticate"), Some(challenge));
            assert_eq!(reply.problem()["code"], "insufficient_scope");
        }
    }
}

#[tokio::test]
async fn a_login_too_long_ago_is_asked_for_again() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    let token = issuer.token();
    for (at, is_recent) in [(299, true), (300, true), (301, false)] {
        issuer.clock.set(at);
        let reply = ask(&app, "/money", Some(&format!("Bearer {token}"))).await;
        if is_recent {
            assert_eq!(reply.body, "sent", "{at}");
        } else {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            let challenge = r#"Bearer error="insufficient_user_authentication", max_age="300""#;
            assert_eq!(reply.header("www-authenticate"), Some(challenge));
            assert_eq!(reply.problem()["code"], "insufficient_user_authentication");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_too_weak_is_asked_to_be_stronger() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    for (acr, is_enough) in
        [("2", true), ("3", true), ("1", false), ("", false), ("2 3", false), ("22", false)]
    {
        let mut claims = issuer.claims();
        claims["acr"] = json!(acr);
        let bearer = format!("Bearer {}", issuer.key.token(&claims));
        let reply = ask(&app, "/vault", Some(&bearer)).await;
        if is_enough {
            assert_eq!(reply.body, "open", "{acr}");
            continue;
        }
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{acr}");
        let challenge = r#"Bearer error="insufficient_user_authentication", acr_values="2 3""#;
        assert_eq!(reply.header("www-authenticate"), Some(challenge));
        assert_eq!(reply.problem()["code"], "insufficient_user_authentication");
    }
    // Strong enough and too long ago is not enough, where both are demanded.
    let mut claims = issuer.claims();
    claims["acr"] = json!("2");
    let bearer = format!("Bearer {}", issuer.key.token(&claims));
    assert_eq!(ask(&app, "/both", Some(&bearer)).await.body, "open");
    issuer.clock.set(301);
    let reply = ask(&app, "/both", Some(&bearer)).await;
    let challenge = r#"Bearer error="insufficient_user_authentication", acr_values="2", max_age="300""#;
    assert_eq!(reply.header("www-authenticate"), Some(challenge));
}

#[tokio::test]
async fn custom_claims_that_a_handler_needs_and_a_token_lacks_are_a_bad_token() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    let mut claims = issuer.claims();
    claims["plan"] = json!("pro");
    assert_eq!(ask(&app, "/plan", Some(&format!("Bearer {}", issuer.key.token(&claims)))).await.body, "pro");
    let reply = ask(&app, "/plan", Some(&format!("Bearer {}", issuer.token()))).await;
    assert_eq!(reply.problem()["code"], "invalid_token");
}

#[tokio::test]
async fn an_issuer_out_of_reach_is_503_with_retry_after_and_no_challenge() {
    let issuer = Issuer::start().await;
    issuer.answer(Answer::Status(500));
    let app = app(issuer.verifier());
    for path in ["/hello", "/session"] {
        let reply = ask(&app, path, Some(&format!("Bearer {}", issuer.token()))).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((reply.header("retry-after"), reply.header("www-authenticate")), (Some("2"), None));
        assert_eq!(
            (&reply.problem()["code"], &reply.problem()["retry_after"]),
            (&json!("unavailable"), &json!(2))
        );
    }
}

#[tokio::test]
async fn a_sane_request_id_is_repeated_and_another_is_not() {
    let issuer = Issuer::start().await;
    let app = app(issuer.verifier());
    for path in ["/hello", "/session"] {
        for (id, repeated) in
            [("req-1.a:b_c", json!("req-1.a:b_c")), ("<script>", json!(null)), ("", json!(null))]
        {
            let request =
                Request::builder().uri(path).header("x-request-id", id).body(Body::empty()).unwrap();
            assert_eq!(send(&app, request).await.problem()["request_id"], repeated);
        }
    }
}

#[tokio::test]
async fn the_layer_wraps_services_other_than_axums() {
    let issuer = Issuer::start().await;
    let inner = service_fn(|request: Request<()>| async move {
        let claims = request.extensions().get::<Arc<AccessClaims>>().unwrap();
        Ok::<_, Infallible>(Response::new(claims.sub.clone()))
    });
    let service = issuer.verifier().layer().layer(inner);
    let good = Request::builder().header("authorization", format!("Bearer {}", issuer.token()));
    let answer = service.clone().oneshot(good.body(()).unwrap()).await.unwrap();
    assert_eq!(answer.into_body(), "usr_1");
    let answer = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
