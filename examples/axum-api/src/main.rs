//! An API in axum that accepts Relatch access tokens: a public route, and three that look closer and closer.

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, InvalidHeaderValue, WWW_AUTHENTICATE};
use axum::{Json, Router, routing::get};
use relatch_verifier::{RequireAuth, Seconds, Verifier};
use serde_json::{Value, json};
use std::error::Error;
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = setting("RELATCH_ISSUER", "http://localhost:8080");
    let leeway = Seconds(setting("LEEWAY_SECONDS", "30").parse()?);
    let verifier =
        Verifier::builder(&issuer).audience(setting("AUDIENCE", &issuer)).leeway(leeway).build()?;
    let app = Router::new()
        .route("/public", get(public))
        .route("/hello", get(hello))
        .route("/admin", get(hello).layer(verifier.layer().scope("admin")))
        .route("/fresh", get(hello).layer(verifier.layer().max_age(Seconds(300))))
        .with_state(verifier)
        .layer(cors(&setting("ALLOWED_ORIGINS", ""))?);
    let listener = TcpListener::bind(setting("LISTEN", "127.0.0.1:4000")).await?;
    announce(&listener)?;
    axum::serve(listener, app).await?;
    Ok(())
}

async fn public() -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

async fn hello(user: RequireAuth) -> Json<Value> {
    Json(json!({ "hello": user.sub }))
}

/// Lets pages of other origins call with their token, and read why it was refused.
fn cors(origins: &str) -> Result<CorsLayer, InvalidHeaderValue> {
    let origins: Vec<HeaderValue> =
        origins.split_terminator(',').map(HeaderValue::from_str).collect::<Result<_, _>>()?;
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .allow_headers([AUTHORIZATION])
        .expose_headers([WWW_AUTHENTICATE]))
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[expect(clippy::print_stdout, reason = "whoever started it on port 0 reads the port from this line")]
fn announce(listener: &TcpListener) -> std::io::Result<()> {
    println!("listening on http://{}", listener.local_addr()?);
    Ok(())
}
