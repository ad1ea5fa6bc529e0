//! The verbs that are not about sessions: they suffer the same faults and are otherwise passed on.

use super::FaultyStore;
use crate::timeline::wait_here;
use relatch_core::{Epoch, Origin};
use relatch_store::{
    AccountStore, ApiKey, ChannelKind, Commit, ConfirmFactor, CreateUser, Cursor, Delivery, DeliveryId,
    Device, DeviceStore, EmailChange, Enqueue, Event, Factor, FactorStore, Follow, ForgetDevice, KeyStore,
    Link, LinkHash, LinkPurpose, NewEvent, NewUser, OauthClient, OutboxStore, PasswordHash, RecoveryHash,
    RenameDevice, SealedSeed, SecondFactors, Settlement, SigningKeyRecord, Step, Store, StoreError, User,
    UserKey, Waiting,
};
use relatch_token::{ClientId, DeviceHash, FactorId, Timestamp, UserId};

macro_rules! pass_on {
    ($name:ident { $($verb:ident($($argument:ident: $kind:ty),*) -> $out:ty;)* }) => {
        #[async_trait::async_trait]
        impl $name for FaultyStore {
            $(async fn $verb(&self, $($argument: $kind),*) -> Result<$out, StoreError> {
                self.suffer(|| wait_here(self.backend.store().$verb($($argument),*))).await
            })*
        }
    };
}

pass_on!(AccountStore {
    create_user(new: NewUser) -> CreateUser;
    user(key: &UserKey) -> Option<User>;
    credentials(key: &UserKey) -> Option<(User, Option<PasswordHash>)>;
    users(after: Option<UserId>, limit: usize) -> Vec<User>;
    upgrade_password(user: UserId, old: &PasswordHash, new: PasswordHash, event: NewEvent) -> ();
    enable_user(user: UserId, event: NewEvent) -> ();
    add_link(link: Link) -> ();
    post_link(link: Link, event: Option<NewEvent>, deliveries: Vec<Delivery>) -> Enqueue;
    link(hash: LinkHash, purpose: LinkPurpose, now: Timestamp) -> Option<Link>;
    verify_email(hash: LinkHash, event_at: Timestamp) -> Option<UserId>;
    change_email(hash: LinkHash, at: Timestamp, origin: Origin) -> EmailChange;
});

pass_on!(FactorStore {
    second_factors(user: UserId) -> SecondFactors;
    add_factor(factor: Factor, epoch: Epoch, most: u32) -> Commit;
    confirm_factor(confirm: ConfirmFactor) -> Commit;
    accept_step(user: UserId, factor: FactorId, step: u64) -> Commit;
    use_recovery_code(user: UserId, code: RecoveryHash, event: NewEvent) -> Commit;
    count_wrong_code(user: UserId, event: NewEvent) -> u32;
    replace_recovery_codes(user: UserId, epoch: Epoch, codes: Vec<RecoveryHash>, event: NewEvent) -> Commit;
    remove_factor(user: UserId, epoch: Epoch, factor: FactorId, event: NewEvent) -> Commit;
    remove_factors(user: UserId, event: NewEvent) -> u32;
    factors_not_under(master_id: u8, limit: usize) -> Vec<Factor>;
    reseal_factor(factor: FactorId, old: SealedSeed, new: SealedSeed) -> ();
});

pass_on!(DeviceStore {
    device(user: UserId, hash: DeviceHash) -> Option<Device>;
    devices(user: UserId) -> Vec<Device>;
    rename_device(rename: RenameDevice) -> bool;
    forget_device(forget: ForgetDevice) -> Option<u64>;
});

pass_on!(KeyStore {
    signing_keys() -> Vec<SigningKeyRecord>;
    add_signing_key(key: SigningKeyRecord, seen: usize) -> bool;
    update_signing_key(key: SigningKeyRecord) -> bool;
    remove_signing_key(kid: &str, revoked_at: Option<Timestamp>) -> bool;
    add_api_key(key: ApiKey) -> ();
    api_key(hash: [u8; 32]) -> Option<ApiKey>;
    api_keys() -> Vec<ApiKey>;
    revoke_api_key(id: &str, at: Timestamp) -> bool;
    put_client(client: OauthClient) -> ();
    client(id: &ClientId) -> Option<OauthClient>;
    clients() -> Vec<OauthClient>;
    remove_client(id: &ClientId) -> bool;
});

pass_on!(OutboxStore {
    enqueue(deliveries: Vec<Delivery>) -> Enqueue;
    take_due(kind: ChannelKind, now: Timestamp, lease_until: Timestamp, limit: usize) -> Vec<Delivery>;
    settle(id: DeliveryId, attempt: u32, settlement: Settlement) -> bool;
    waiting(kind: ChannelKind) -> Waiting;
    events_after(after: Cursor, limit: usize) -> Vec<Event>;
    mark(follower: &str) -> Cursor;
    follow(step: Step) -> Follow;
    followers() -> Vec<(String, Cursor)>;
    forget_follower(follower: &str) -> bool;
});

pass_on!(Store {
    ping() -> ();
    instance_id() -> [u8; 16];
});
