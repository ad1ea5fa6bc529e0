//! What every route that takes a body does with one that it can't take.

use crate::support::{PASSWORD, cast};
use reqwest::Method;
use serde_json::json;

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
            // Lone surrogates: high, low, the wrong way round; as a name, too.
            "{\"token\":\"\\ud800\"}",
            "{\"token\":\"\\udc00\"}",
            "{\"token\":\"\\udc00\\ud800\"}",
            "{\"\\ud800\":1}",
            // Control characters are written as escapes (RFC 8259 §7).
            "{\"token\":\"a\u{0}b\"}",
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
        // A surrogate in the bytes themselves (CESU-8) is no UTF-8.
        let request = anon.request(Method::POST, path).header("content-type", "application/json");
        let cesu = b"{\"token\":\"\xed\xa0\x80\"}".to_vec();
        assert_eq!(anon.send(request.body(cesu)).await.verdict(), "400 invalid_request", "{path}");
    }
}

#[tokio::test]
async fn a_nul_is_422_in_every_string_and_cuts_nothing_off() {
    let (_server, mut anon, mut ada, _) = cast().await;
    let nul = |path: &str, field: &str, mut body: serde_json::Value, value: &str| {
        body[field] = value.into();
        (path.to_owned(), field.to_owned(), body)
    };
    let person = json!({"email": "ada@example.com", "password": PASSWORD});
    let cut_off = format!("{PASSWORD}\0 and more");
    for (path, field, body) in [
        nul("/auth/signup", "email", person.clone(), "bob@example.com\0"),
        nul("/auth/signup", "name", person.clone(), "Bob\0"),
        nul("/auth/login", "password", person.clone(), &cut_off),
        nul("/auth/login", "email", person.clone(), "ada@example.com\0@evil.test"),
        nul("/auth/login", "device_name", person.clone(), "\0"),
        nul("/auth/refresh", "refresh_token", json!({}), "rlt_\0"),
        nul("/auth/logout", "refresh_token", json!({}), "rlt_\0"),
        nul("/auth/password/forgot", "email", json!({}), "ada@example.com\0"),
        nul("/auth/password/reset", "token", json!({"new_password": PASSWORD}), "rll_\0"),
        nul("/auth/password", "current_password", json!({"new_password": "another horse"}), &cut_off),
        nul("/auth/email/verify", "token", json!({}), "rll_\0"),
    ] {
        let asker = if path == "/auth/password" { &mut ada } else { &mut anon };
        let reply = asker.post(&path, body).await;
        assert_eq!((reply.status, reply.errors()), (422, vec![format!("{field}: wrong_value")]), "{path}");
    }
    let reply = anon
        .post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body\0"}))
        .await;
    assert_eq!(reply.errors(), ["transport: wrong_value"]);
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
