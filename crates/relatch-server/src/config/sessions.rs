//! `[tokens]` and `[sessions]`: what access tokens say, and how long sessions live.

use super::WebUrl;
use relatch_token::Seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What access tokens say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokensConfig {
    /// The `iss` of access tokens, and the name by which verifiers know the server. Absent:
    /// `server.public_url`. Changing it makes every access token that is under way invalid.
    pub issuer: Option<WebUrl>,
    /// The `aud` of access tokens: what your APIs call themselves. Empty: the issuer.
    pub audience: Vec<String>,
    /// How long an access token lives. A verifier that does not follow the revocation feed honours a
    /// revoked session for that long.
    #[schemars(range(min = 1, max = 86_400))]
    pub access_seconds: u32,
    /// The `client_id` in access tokens of sessions that belong to no OAuth client.
    pub first_party_client_id: String,
    /// Claims that every access token carries beside the registered ones.
    pub claims: Map<String, Value>,
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            access_seconds: 900,
            first_party_client_id: "relatch".into(),
            claims: Map::new(),
        }
    }
}

/// How long sessions live, and what happens when a copied refresh token shows up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// How long a session lives after its last refresh.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub idle_seconds: u32,
    /// When a session ends however busy it is, counted from login.
    #[schemars(range(min = 1, max = 157_680_000))]
    pub absolute_seconds: u32,
    /// In place of `sessions.idle_seconds` where that is longer, for a login with `"remember": false`, whose
    /// cookies also end with the browser window.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub unremembered_idle_seconds: u32,
    /// How long a browser's superseded refresh token is still answered. Its tabs, workers and server-side
    /// renderers share one jar of cookies, so several of them may refresh at once. 0 is the strict rule:
    /// whoever refreshes twice with one token is logged out.
    #[schemars(range(min = 0, max = 300))]
    pub reuse_window_cookie_seconds: u32,
    /// The same for refresh tokens that travel in bodies (mobile, native, server to server).
    #[schemars(range(min = 0, max = 300))]
    pub reuse_window_body_seconds: u32,
    /// What a reused refresh token ends: `revoke_session`, the session that it belongs to, or
    /// `revoke_user`, every session of that person.
    pub on_reuse: OnReuse,
    /// How many live sessions one person may have at a time. Bounds what somebody who knows a password can pile
    /// up. The bound is kept to the letter, however many log in at once.
    #[schemars(range(min = 1, max = 10_000))]
    pub per_user_max: u32,
    /// How many of those may be browsers' (the cookie transport). Absent: as many as `sessions.per_user_max`.
    #[schemars(range(min = 1, max = 10_000))]
    pub per_user_cookie_max: Option<u32>,
    /// How many of those may be apps' (the body transport). Absent: as many as `sessions.per_user_max`.
    #[schemars(range(min = 1, max = 10_000))]
    pub per_user_body_max: Option<u32>,
    /// What happens when somebody who has that many sessions logs in: `end_most_idle` ends the session that
    /// was not heard of for longest, `end_oldest` the one that began first, and `refuse` answers
    /// `409 too_many_sessions`, until the person logs out elsewhere. A login in the same browser always takes
    /// the place of the session before it.
    pub when_full: WhenFull,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            idle_seconds: 14 * 86_400,
            absolute_seconds: 90 * 86_400,
            unremembered_idle_seconds: 86_400,
            reuse_window_cookie_seconds: 30,
            reuse_window_body_seconds: 10,
            on_reuse: OnReuse::RevokeSession,
            per_user_max: 100,
            per_user_cookie_max: None,
            per_user_body_max: None,
            when_full: WhenFull::EndMostIdle,
        }
    }
}

impl SessionsConfig {
    /// How long a session lives after its last refresh, by what the person said at login.
    pub fn idle(&self, remember: bool) -> Seconds {
        let idle = Seconds(self.idle_seconds);
        if remember { idle } else { idle.min(Seconds(self.unremembered_idle_seconds)) }
    }

    /// When a session ends however busy it is, counted from login.
    pub const fn absolute(&self) -> Seconds {
        Seconds(self.absolute_seconds)
    }
}

/// What a reused refresh token ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReuse {
    /// The session that it belongs to.
    #[default]
    RevokeSession,
    /// Every session of that person.
    RevokeUser,
}

/// What happens when somebody logs in who has as many sessions as they may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// The session that began first ends.
    EndOldest,
    /// The session that was not heard of for longest ends.
    #[default]
    EndMostIdle,
    /// The login is refused.
    Refuse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_to_be_remembered_never_makes_a_session_live_longer() {
        let sessions = |idle_seconds| SessionsConfig { idle_seconds, ..SessionsConfig::default() };
        assert_eq!(sessions(90_000).idle(false), Seconds(86_400));
        assert_eq!(sessions(90_000).idle(true), Seconds(90_000));
        assert_eq!(sessions(3600).idle(false), Seconds(3600));
    }
}
