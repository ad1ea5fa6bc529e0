//! What sessions of one kind share: an application has a handful of such profiles and a million sessions.

use crate::error::corrupt;
use relatch_core::{Authentication, Lifetime, Session, Transport};
use relatch_store::StoreError;
use relatch_token::{ClientId, Seconds, Timestamp};
use serde::{Deserialize, Serialize};

/// The shared part of a session, as the dictionary keeps it in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    is_body: bool,
    remember: bool,
    amr: Vec<String>,
    acr: String,
    idle_seconds: u32,
    /// From its authentication to its absolute end.
    life_millis: i64,
}

impl Profile {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            client: session.client_id.as_ref().map(ToString::to_string),
            scope: session.scope.clone(),
            is_body: session.transport == Transport::Body,
            remember: session.remember,
            amr: session.authentication.amr.clone(),
            acr: session.authentication.acr.clone(),
            idle_seconds: session.lifetime.idle.0,
            life_millis: session.lifetime.expires_at.millis_since(session.authentication.at),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| corrupt(format!("a session's profile: {error}")))
    }

    pub(crate) fn to_text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    pub(crate) fn client_id(&self) -> Result<Option<ClientId>, StoreError> {
        let parse = |id: &String| id.parse().map_err(|error| corrupt(format!("a session's client: {error}")));
        self.client.as_ref().map(parse).transpose()
    }

    pub(crate) fn scope(&self) -> Option<String> {
        self.scope.clone()
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.is_body { Transport::Body } else { Transport::Cookie }
    }

    pub(crate) fn remember(&self) -> bool {
        self.remember
    }

    pub(crate) fn authentication(&self, at: Timestamp) -> Authentication {
        Authentication { at, amr: self.amr.clone(), acr: self.acr.clone() }
    }

    pub(crate) fn lifetime(&self, authenticated_at: Timestamp) -> Lifetime {
        let expires_at = authenticated_at.as_millis().saturating_add(self.life_millis);
        Lifetime { idle: Seconds(self.idle_seconds), expires_at: Timestamp::from_millis(expires_at) }
    }
}
