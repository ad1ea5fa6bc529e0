//! One attempt to hand a message to a receiver, over HTTP.

use super::message::Message;
use super::public_address::PublicNames;
use super::signature::WebhookSecrets;
use crate::config::WebhookUrl;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use relatch_token::{Seconds, Timestamp};
use reqwest::Client;
use reqwest::redirect::Policy;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver took it (any 2xx).
    Taken,
    /// The receiver wants nothing of the kind any more (410).
    Unwanted,
    /// It answered something else, or nothing.
    Failed {
        /// What, without the URL.
        reason: String,
        /// When it asked to be tried again.
        retry_after: Option<Seconds>,
    },
}

/// A connection to one receiver.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: Client,
    url: WebhookUrl,
    secrets: WebhookSecrets,
}

impl Sender {
    pub(super) fn new(
        url: WebhookUrl,
        secrets: WebhookSecrets,
        may_be_private: bool,
    ) -> reqwest::Result<Self> {
        // A proxy would resolve the name by itself, and a redirect lead anywhere.
        let client = Client::builder()
            .user_agent(concat!("relatch/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_MAX)
            .timeout(ATTEMPT_MAX);
        let client = if may_be_private { client } else { client.dns_resolver(Arc::new(PublicNames)) };
        Ok(Self { client: client.build()?, url, secrets })
    }

    /// Posts a message; the time is signed with it (a receiver refuses what is minutes old).
    pub(super) async fn send(&self, message: &Message, now: Timestamp) -> Attempt {
        let body = &message.body;
        let sent = self
            .client
            .post(self.url.as_url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.as_seconds())
            .header("webhook-signature", self.secrets.sign(&message.id, now, body.as_bytes()))
            .body(body.clone())
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => Attempt::Taken,
            Ok(answer) if answer.status() == http::StatusCode::GONE => Attempt::Unwanted,
            Ok(answer) => {
                let asked =
                    answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                Attempt::Failed {
                    reason: format!("answered {}", answer.status()),
                    retry_after: asked.map(Seconds),
                }
            }
            Err(error) => Attempt::Failed { reason: describe(&error.without_url()), retry_after: None },
        }
    }
}

/// An error with its causes; the first line alone says only that something was wrong.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Standard Webhooks asks senders to wait 15 to 30 seconds.
const ATTEMPT_MAX: Duration = Duration::from_secs(15);
