//! OAuth clients: registered by configuration or by the operator, and how they prove who they are.

use crate::environment::{Entropy, EntropyExt};
use crate::sessions::Doubt;
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_store::{ClientKind, OauthClient, Store};
use relatch_token::{ClientId, Secret};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What becomes of a client that presented itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientVerdict {
    /// A confidential client that knew its secret.
    Confidential(OauthClient),
    /// A public client: it is what it says, and that proves nothing.
    Public(OauthClient),
    /// No such client, a wrong secret, or none where one is due.
    Refused,
}

/// The clients of the server. Those of the configuration win over stored ones of the same id.
#[derive(Clone)]
pub struct Clients {
    configured: Arc<BTreeMap<ClientId, OauthClient>>,
    store: Arc<dyn Store>,
}

impl Clients {
    /// The clients of the configuration, and those in the store.
    pub fn new(configured: Vec<OauthClient>, store: Arc<dyn Store>) -> Self {
        let configured = configured.into_iter().map(|client| (client.id.clone(), client)).collect();
        Self { configured: Arc::new(configured), store }
    }

    /// The client with that id.
    pub async fn find(&self, id: &ClientId) -> Result<Option<OauthClient>, Doubt> {
        match self.configured.get(id) {
            Some(client) => Ok(Some(client.clone())),
            None => Ok(self.store.client(id).await?),
        }
    }

    /// Every client, by id.
    pub async fn list(&self) -> Result<Vec<OauthClient>, Doubt> {
        let mut all = self.store.clients().await?;
        all.retain(|client| !self.configured.contains_key(&client.id));
        all.extend(self.configured.values().cloned());
        all.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(all)
    }

    /// Whether `id` is who it says (RFC 6749 §2.3). A secret that a public client sends is refused: it can't
    /// have one, so whoever sends it is mistaken about whom it talks for.
    pub async fn authenticate(
        &self,
        id: &ClientId,
        secret: Option<&Secret<String>>,
    ) -> Result<ClientVerdict, Doubt> {
        let client = self.find(id).await?;
        // An unknown client costs the same comparison as a wrong secret.
        let expected = client.as_ref().and_then(|client| client.secret_hash).unwrap_or([0; 32]);
        let presented: [u8; 32] = Sha256::digest(secret.map_or("", |secret| secret.expose())).into();
        let is_right = bool::from(expected.ct_eq(&presented));
        Ok(match client {
            Some(client) if client.kind == ClientKind::Public && secret.is_none() => {
                ClientVerdict::Public(client)
            }
            Some(client)
                if client.kind == ClientKind::Confidential && client.secret_hash.is_some() && is_right =>
            {
                ClientVerdict::Confidential(client)
            }
            _ => ClientVerdict::Refused,
        })
    }

    /// Registers a client, or gives it a new secret, which is told here and never again.
    pub async fn register(
        &self,
        mut client: OauthClient,
        entropy: &dyn Entropy,
    ) -> Result<(OauthClient, Option<Secret<String>>), Doubt> {
        let secret = (client.kind == ClientKind::Confidential).then(|| {
            Secret::new(format!(
                "{SECRET_PREFIX}{}",
                Base64UrlUnpadded::encode_string(&entropy.array::<32>())
            ))
        });
        client.secret_hash = secret.as_ref().map(|secret| Sha256::digest(secret.expose()).into());
        self.store.put_client(client.clone()).await?;
        Ok((client, secret))
    }

    /// Removes a registered client. `false` where there is none in the store.
    pub async fn remove(&self, id: &ClientId) -> Result<bool, Doubt> {
        Ok(self.store.remove_client(id).await?)
    }
}

/// What generated client secrets start with, so that secret scanners can find one that leaked.
const SECRET_PREFIX: &str = "rls_";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_store::memory::MemoryStore;
    use relatch_token::Timestamp;

    fn client(id: &str, kind: ClientKind) -> OauthClient {
        let id = id.parse().unwrap();
        OauthClient { id, kind, secret_hash: None, name: None, scopes: vec![], created_at: Timestamp::EPOCH }
    }

    #[tokio::test]
    async fn a_client_is_who_it_says_only_with_its_own_secret() {
        let store = Arc::new(MemoryStore::new([0; 16]));
        let clients = Clients::new(vec![client("spa", ClientKind::Public)], store);
        let entropy = OsEntropy::open().unwrap();
        let registered = clients.register(client("web", ClientKind::Confidential), &entropy).await.unwrap();
        let (web, Some(secret)) = registered else { panic!("a confidential client has a secret") };
        assert!(secret.expose().chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
        let wrong = Secret::new("rls_wrong".to_owned());
        let verdict = async |id: &ClientId, secret: Option<&Secret<String>>| {
            clients.authenticate(id, secret).await.unwrap()
        };
        assert_eq!(verdict(&web.id, Some(&secret)).await, ClientVerdict::Confidential(web.clone()));
        assert_eq!(verdict(&web.id, Some(&wrong)).await, ClientVerdict::Refused);
        assert_eq!(verdict(&web.id, None).await, ClientVerdict::Refused);
        let spa = client("spa", ClientKind::Public);
        assert_eq!(verdict(&spa.id, None).await, ClientVerdict::Public(spa.clone()));
        assert_eq!(verdict(&spa.id, Some(&wrong)).await, ClientVerdict::Refused);
        assert_eq!(verdict(&"nobody".parse().unwrap(), None).await, ClientVerdict::Refused);
    }
}
