//! `GET /openapi.json` and `GET /docs`.

use crate::support::cast;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_document_describes_every_route_of_the_contract() {
    let (server, mut anon, ..) = cast().await;
    let document = anon.get("/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["servers"][0]["url"], server.url.as_str());
    let mut routes: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        routes.extend(
            item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    routes.sort();
    insta::assert_snapshot!(routes.join("\n"), @r#"
    DELETE /admin/sessions/{id}
    DELETE /admin/users/{id}/factors
    DELETE /auth/devices/{id}
    DELETE /auth/factors/{id}
    DELETE /auth/sessions/{id}
    GET /.well-known/jwks.json
    GET /.well-known/oauth-authorization-server
    GET /.well-known/openid-configuration
    GET /admin/events
    GET /admin/sessions
    GET /admin/sessions/{id}/explain
    GET /admin/users
    GET /auth/devices
    GET /auth/events
    GET /auth/factors
    GET /auth/me
    GET /auth/sessions
    GET /docs
    GET /feed/revocations
    GET /healthz
    GET /metrics
    GET /openapi.json
    GET /readyz
    PATCH /auth/devices/{id}
    POST /admin/sessions
    POST /admin/users/{id}/disable
    POST /admin/users/{id}/logout-all
    POST /auth/email/verify
    POST /auth/factors/totp
    POST /auth/factors/totp/confirm
    POST /auth/login
    POST /auth/logout
    POST /auth/logout-all
    POST /auth/mfa
    POST /auth/password
    POST /auth/password/forgot
    POST /auth/password/reset
    POST /auth/recovery-codes
    POST /auth/refresh
    POST /auth/signup
    POST /oauth/introspect
    POST /oauth/revoke
    POST /oauth/token
    "#);
}

#[tokio::test]
async fn the_document_holds_together() {
    let (_server, mut anon, ..) = cast().await;
    let reply = anon.get("/openapi.json").await;
    let schemas = reply.body["components"]["schemas"].as_object().unwrap();
    for reference in reply.raw.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "no schema {name}");
    }
    let mut ids = BTreeSet::new();
    for item in reply.body["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(operation["summary"].is_string() && operation["responses"]["503"].is_object());
        }
    }
    let login = &reply.body["components"]["schemas"]["LoginBody"];
    assert_eq!(
        (&login["required"], &login["additionalProperties"]),
        (&serde_json::json!(["email", "password"]), &false.into())
    );
}

/// What a route's limits, keys and fields are decides which of these it answers.
#[tokio::test]
async fn no_route_promises_a_status_that_it_never_answers() {
    let (_server, mut anon, ..) = cast().await;
    let document = anon.get("/openapi.json").await.body;
    let with = |status: &str| -> Vec<String> {
        let mut routes = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation["responses"][status].is_object() {
                    routes.push(format!("{method} {path}"));
                }
            }
        }
        routes
    };
    let limited = [
        "post /auth/factors/totp",
        "post /auth/factors/totp/confirm",
        "delete /auth/factors/{id}",
        "post /auth/login",
        "post /auth/mfa",
        "post /auth/password",
        "post /auth/recovery-codes",
        "post /auth/refresh",
        "post /auth/signup",
        "post /oauth/token",
    ];
    assert_eq!(with("429"), limited);
    let forbidding = with("403");
    for bearer in ["get /auth/me", "get /auth/sessions", "get /auth/events", "post /auth/logout-all"] {
        assert!(!forbidding.contains(&bearer.to_owned()), "{bearer} takes no API key");
    }
    for by_key in ["post /admin/sessions", "get /feed/revocations", "post /oauth/introspect"] {
        assert!(forbidding.contains(&by_key.to_owned()), "{by_key} takes an API key with a scope");
    }
    let picky = with("422");
    for path_alone in ["delete /auth/sessions/{id}", "post /admin/users/{id}/disable", "post /oauth/token"] {
        assert!(!picky.contains(&path_alone.to_owned()), "{path_alone}");
    }
    for fields in ["get /auth/events", "post /auth/login"] {
        assert!(picky.contains(&fields.to_owned()), "{fields}");
    }
}

#[tokio::test]
async fn the_page_explains_every_code_and_needs_nothing_from_outside() {
    let (_server, mut anon, ..) = cast().await;
    let problem = anon.get("/auth/me").await;
    let (page, anchor) =
        problem.text("type").split_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let reply = anon.get(page.strip_prefix(&anon.base.clone()).unwrap()).await;
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert!(reply.raw.contains(&format!("id=\"{anchor}\"")));
    for code in relatch_server::http::code::ALL {
        assert!(reply.raw.contains(&format!("id=\"{}\"", code.slug)), "{}", code.slug);
    }
    for outside in ["<script", "<img", "<link", "src=", "@import", "url("] {
        assert!(!reply.raw.contains(outside), "{outside}");
    }
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
}
