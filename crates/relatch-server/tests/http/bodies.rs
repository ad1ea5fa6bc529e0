//! What every route that takes a body does with one that it can't take.

use crate::support::cast;
use reqwest::Method;

const JSON_ROUTES: [&str; 7] = [
    "/auth/signup",
    "/auth/login",
    "/auth/refresh",
    "/auth/logout",
    "/auth/password/forgot",
    "/auth/password/reset",
    "/auth/email/verify",
];

#[tokio::test]
async fn a_body_that_is_no_json_object_of_known_fields_is_400_everywhere() {
    let (_server, mut anon, ..) = cast().await;
    let deep = format!("{{\"email\":{}{}}}", "[".repeat(50_000 / 2), "]".repeat(50_000 / 2));
    for path in JSON_ROUTES {
        for body in [
            "{",
            "[]",
            "null",
            "\"x\"",
            "{\"x\":1}",
            "{\"email\":\"a\",\"email\":\"a\"}",
            "{}{}",
            "{\"token\":\"\\ud800\"}",
            "{\"a\":01}",
            "\u{feff}{}",
            &deep,
        ] {
            let request = anon.request(Method::POST, path).header("content-type", "application/json");
            let reply = anon.send(request.body(body.to_owned())).await;
            assert_eq!(reply.verdict(), "400 invalid_request", "{path} {}", &body[..body.len().min(40)]);
            assert_eq!(reply.header("content-type"), "application/problem+json");
        }
        let request = anon.request(Method::POST, path).header("content-type", "application/json");
        assert_eq!(anon.send(request.body(vec![b'{', b'"', 0xff])).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_and_one_of_another_type_415_everywhere() {
    let (_server, mut anon, ..) = cast().await;
    for path in JSON_ROUTES {
        let large = format!("{{\"x\":\"{}\"}}", "a".repeat(64 * 1024));
        let request = anon.request(Method::POST, path).header("content-type", "application/json");
        assert_eq!(anon.send(request.body(large)).await.verdict(), "413 body_too_large", "{path}");
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let request = anon.request(Method::POST, path).header("content-type", kind);
            let reply = anon.send(request.body("{\"email\":\"a\"}")).await;
            assert_eq!(reply.verdict(), "415 unsupported_media_type", "{path}");
        }
    }
}

#[tokio::test]
async fn a_missing_field_is_422_and_an_optional_body_may_be_left_out() {
    let (_server, mut anon, ..) = cast().await;
    for (path, errors) in [
        ("/auth/signup", &["email: missing", "password: missing"][..]),
        ("/auth/login", &["email: missing", "password: missing"]),
        ("/auth/password/forgot", &["email: missing"]),
        ("/auth/password/reset", &["token: missing", "new_password: missing"]),
        ("/auth/email/verify", &["token: missing"]),
    ] {
        assert_eq!(anon.post(path, serde_json::json!({})).await.errors(), errors, "{path}");
        assert_eq!(anon.post_empty(path).await.status, 415, "{path}");
    }
    assert_eq!(anon.post_empty("/auth/refresh").await.verdict(), "401 missing_token");
    assert_eq!(anon.post("/auth/refresh", serde_json::json!({})).await.verdict(), "401 missing_token");
    assert_eq!(
        anon.post("/auth/refresh", serde_json::json!({"refresh_token": 1})).await.errors(),
        ["refresh_token: wrong_type"]
    );
}
