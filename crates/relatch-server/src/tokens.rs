//! Access tokens: what is said in them, and who signs it.

use crate::environment::EntropyExt;
use crate::keys::{Expectations, KeysError, SigningKeys, TokenProblem};
use crate::sessions::{Doubt, Surroundings};
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_core::{Session, access_expires_at};
use relatch_store::Store;
use relatch_token::{
    AccessClaims, Audience, ClientId, REGISTERED_CLAIMS, Seconds, Secret, Timestamp, UserId,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Signs access tokens and reads our own ones back.
#[async_trait::async_trait]
pub trait AccessSigner: Send + Sync {
    /// The token in compact form (RFC 7515 §3.1).
    fn sign(&self, claims: &AccessClaims, now: Timestamp) -> Result<String, Doubt>;

    /// The claims of a token that we signed and that is alive at `now`.
    async fn verify(
        &self,
        token: &str,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessClaims, TokenProblem>, Doubt>;
}

/// The signing keys, and the store from which they learn what other nodes did.
pub struct StoredKeys {
    /// The keys.
    pub keys: SigningKeys,
    /// Where all nodes keep them.
    pub store: Arc<dyn Store>,
}

#[async_trait::async_trait]
impl AccessSigner for StoredKeys {
    fn sign(&self, claims: &AccessClaims, now: Timestamp) -> Result<String, Doubt> {
        self.keys.sign(claims, now).map_err(|error| Doubt::Signing(error.to_string()))
    }

    async fn verify(
        &self,
        token: &str,
        expected: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessClaims, TokenProblem>, Doubt> {
        match self.keys.verify_fresh(&*self.store, token, expected, now).await {
            Ok(verdict) => Ok(verdict),
            Err(KeysError::Store(error)) => Err(error.into()),
            Err(error) => Err(Doubt::Signing(error.to_string())),
        }
    }
}

/// What every access token of this server has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// `iss`.
    pub issuer: String,
    /// `aud`. Our own routes ask for the first.
    pub audience: Audience,
    /// How long a token lives.
    pub life: Seconds,
    /// `client_id` of sessions that belong to no OAuth client (RFC 9068 §2.2 demands one).
    pub first_party_client_id: String,
    /// Claims that every token carries beside the registered ones; a session's own come before them.
    pub claims: Map<String, Value>,
    /// What is different in the tokens of an OAuth client.
    pub clients: BTreeMap<ClientId, ClientTokens>,
}

/// What is different in the access tokens of one OAuth client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTokens {
    /// `aud`, where it has its own.
    pub audience: Option<Audience>,
    /// Claims over those that every token carries.
    pub claims: Map<String, Value>,
}

/// The room where access tokens are made.
#[derive(Clone)]
pub struct AccessTokens {
    signer: Arc<dyn AccessSigner>,
    policy: AccessPolicy,
}

impl AccessTokens {
    /// Tokens by this signer, under this policy.
    pub fn new(signer: Arc<dyn AccessSigner>, policy: AccessPolicy) -> Self {
        Self { signer, policy }
    }

    /// What every token has in common.
    pub fn policy(&self) -> &AccessPolicy {
        &self.policy
    }

    /// A token for a session whose head is as `session` says, and its life from now.
    pub fn mint(
        &self,
        session: &Session,
        surroundings: &Surroundings,
        now: Timestamp,
    ) -> Result<(Secret<String>, Seconds), Doubt> {
        let end = access_expires_at(&session.lifetime, session.head.at, self.policy.life, now);
        let client = session.client_id.as_ref().and_then(|id| self.policy.clients.get(id));
        let claims = AccessClaims {
            iss: self.policy.issuer.clone(),
            aud: client.and_then(|client| client.audience.as_ref()).unwrap_or(&self.policy.audience).clone(),
            sub: session.user_id.to_string(),
            iat: now.as_seconds(),
            exp: end.as_seconds(),
            jti: Base64UrlUnpadded::encode_string(&surroundings.entropy.array::<16>()),
            client_id: match &session.client_id {
                Some(client_id) => client_id.to_string(),
                None => self.policy.first_party_client_id.clone(),
            },
            sid: session.id.to_string(),
            auth_time: session.authentication.at.as_seconds(),
            amr: session.authentication.amr.clone(),
            acr: session.authentication.acr.clone(),
            scope: session.scope.clone(),
            custom: custom_claims([
                Some(&self.policy.claims),
                client.map(|client| &client.claims),
                Some(&session.claims),
            ]),
        };
        let token = self.signer.sign(&claims, now)?;
        let expires_in = u32::try_from((end.as_seconds() - now.as_seconds()).max(0)).unwrap_or(u32::MAX);
        Ok((Secret::new(token), Seconds(expires_in)))
    }

    /// The claims of a token of ours, for our own routes.
    pub async fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Result<AccessClaims, TokenProblem>, Doubt> {
        let audience = match &self.policy.audience {
            Audience::One(one) => one,
            Audience::Many(many) => many.first().unwrap_or(&self.policy.issuer),
        };
        let expected = Expectations { issuer: &self.policy.issuer, audience };
        self.signer.verify(token, &expected, now).await
    }

    /// Whether `claims` speak of this session and this user.
    pub fn speak_of(claims: &AccessClaims, session: &Session, user_id: UserId) -> bool {
        claims.sid == session.id.to_string()
            && claims.sub == user_id.to_string()
            && session.user_id == user_id
    }
}

/// Claims in layers, the later over the earlier, and never one that has a meaning of its own.
fn custom_claims(layers: [Option<&Map<String, Value>>; 3]) -> Map<String, Value> {
    let all = layers.into_iter().flatten().flatten();
    let free = all.filter(|(name, _)| !REGISTERED_CLAIMS.contains(&name.as_str()));
    free.map(|(name, value)| (name.clone(), value.clone())).collect()
}
