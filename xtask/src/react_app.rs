//! `cargo xtask test react-app`: the example app in a real Chromium, against the real server and the API in axum.

use crate::run::Job;
use crate::server::{Server, binary};
use crate::setup;
use crate::tally::Tally;
use anyhow::{Result, ensure};
use std::net::TcpListener;

/// Once behind one origin, once with an origin for each. `SCREENSHOTS=FOLDER` keeps pictures of what was seen.
pub(crate) fn suite() -> Result<Tally> {
    let built = Job::new("npm", &["run", "--silent", "build"]).within(&setup::client()?).run()?;
    ensure!(built.success, "the npm package does not build; run `cargo xtask test client`");
    let app = setup::react_app()?;
    let mut tally = Tally::one(Job::new("npm", &["run", "--silent", "check"]).within(&app).run()?.success);

    let port = free_port()?;
    let page = format!("http://localhost:{port}");
    let (life, origins) =
        (format!("tokens.access_seconds={ACCESS_SECONDS}"), format!(r#"server.allowed_origins=["{page}"]"#));
    let server = Server::start("react-app", &[&[life.as_str(), &origins], &WINDOWS[..]].concat())?;
    let mut api = Job::new(binary("axum-api")?, &[""; 0])
        .with("RELATCH_ISSUER", &server.url)
        .with("LISTEN", "127.0.0.1:0")
        .with("LEEWAY_SECONDS", "0")
        .with("ALLOWED_ORIGINS", &page)
        .start()?;
    let test = Job::new("npm", &["run", "--silent", "test"])
        .within(&app)
        .with("RELATCH_URL", &server.url)
        .with("API_URL", &api.says("listening on ")?)
        .with("ACCESS_SECONDS", ACCESS_SECONDS)
        .with("LISTED_PORT", &port.to_string());
    tally += Tally::of_runner(&test.run()?);
    Ok(tally)
}

/// A port that was free a moment ago. The origin of a page has to be known before the page is served.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// So short that a test can wait for the end of a token.
const ACCESS_SECONDS: &str = "5";

/// No longer than that, or an honest client would never leave them.
const WINDOWS: [&str; 2] = ["sessions.reuse_window_cookie_seconds=1", "sessions.reuse_window_body_seconds=1"];
