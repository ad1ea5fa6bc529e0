//! What a store promises, and the suite that holds it to that.
//!
//! The traits are object-safe: only the binary names a concrete store. Every method is all or nothing, and
//! what it acknowledged is durable unless it says otherwise.

mod account_store;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod device_store;
mod error;
mod event;
mod factor_store;
mod key_store;
mod maintenance;
pub mod memory;
mod outbox_store;
mod room;
mod session_store;

pub use account_store::{
    AccountStore, CreateUser, EmailChange, Link, LinkAddress, LinkHash, LinkPurpose, NewUser, PasswordHash,
    SubjectChange, SubjectEnd, SubjectUpdate, User, UserEmail, UserKey,
};
pub use device_store::{DEVICES_PER_USER_MAX, Device, DeviceStore, ForgetDevice, RenameDevice};
pub use error::StoreError;
pub use event::{Cursor, Event, EventFilter, EventStore, NewEvent};
pub use factor_store::{
    ConfirmFactor, Factor, FactorKind, FactorState, FactorStore, RecoveryHash, SealedSeed, SecondFactors,
};
pub use key_store::{ApiKey, ClientKind, KeyStore, OauthClient, SigningKeyRecord};
pub use maintenance::Maintenance;
pub use outbox_store::{
    Channel, ChannelKind, Delivery, DeliveryId, Enqueue, Follow, OutboxStore, Settlement, Step, UNREAD_KEPT,
    Waiting,
};
pub use room::{Leaving, Room, WhenFull};
pub use session_store::{
    Change, Commit, CreateSession, FeedEntry, FeedSubject, Loaded, NewSession, SessionStore, SweepOrder,
    Swept,
};

/// Everything that the server keeps.
#[async_trait::async_trait]
pub trait Store:
    SessionStore + DeviceStore + AccountStore + FactorStore + KeyStore + EventStore + OutboxStore
{
    /// Answers when the store can read and write, or says why it can't.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The random name of this database, drawn when it was made: a part of every key derivation, so that a
    /// token of production is worthless against another database.
    async fn instance_id(&self) -> Result<[u8; 16], StoreError>;
}
