-- Version 1. Times are Unix milliseconds, identifiers their 16 raw bytes.
--
-- A session must be small (160 bytes with its indexes) and a refresh must cost the same whether there are a
-- thousand sessions or a million. Hence: rows in the order of their making, so that pages fill up; parts of
-- fixed size packed in blobs (src/row.rs); what many sessions share kept once, in dictionaries
-- (src/dictionary.rs); and a head of constant length that no index knows of, so that moving it rewrites its
-- own bytes and nothing else.

CREATE TABLE instance (
    key   INTEGER PRIMARY KEY CHECK (key = 1),
    id    BLOB NOT NULL CHECK (length(id) = 16),
    pings INTEGER NOT NULL DEFAULT 0 -- written to prove that writing works
) STRICT;

CREATE TABLE users (
    key               INTEGER PRIMARY KEY,
    id                BLOB NOT NULL CHECK (length(id) = 16),
    email             TEXT, -- as the person wrote it
    email_key         TEXT, -- its normal form
    email_verified_at INTEGER,
    name              TEXT,
    external_id       TEXT,
    created_at        INTEGER NOT NULL,
    epoch             INTEGER NOT NULL DEFAULT 0, -- sessions of an earlier one are dead
    moved_at          INTEGER, -- when and why the epoch last moved
    moved_reason      INTEGER,
    disabled_at       INTEGER,
    password          TEXT -- a PHC string
) STRICT;
CREATE UNIQUE INDEX users_id ON users (id);
CREATE UNIQUE INDEX users_email ON users (email_key) WHERE email_key IS NOT NULL;
CREATE UNIQUE INDEX users_external ON users (external_id) WHERE external_id IS NOT NULL;

-- What sessions share: client, scope, transport, limits, methods of authentication, as JSON.
CREATE TABLE profiles (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE user_agents (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE sessions (
    key            INTEGER PRIMARY KEY,
    id_start       INTEGER NOT NULL, -- the first 48 bits of the session id: all that the index needs
    user_key       INTEGER NOT NULL REFERENCES users (key),
    epoch          INTEGER NOT NULL,
    identity       BLOB NOT NULL, -- what never changes
    head           BLOB NOT NULL, -- what a refresh changes; begins with the version
    profile        ANY NOT NULL, -- a number in `profiles`, or the text itself where that table is full
    user_agent     ANY, -- a number in `user_agents`, or the text itself
    device_name    TEXT,
    claims         TEXT, -- JSON
    revoked_at     INTEGER,
    revoked_reason INTEGER
) STRICT;
-- Not unique: 48 bits may meet (once in a hundred million rows or so), so the whole id is compared too.
CREATE INDEX sessions_id ON sessions (id_start);
CREATE INDEX sessions_user ON sessions (user_key);

CREATE TABLE events (
    cursor      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_key    INTEGER NOT NULL REFERENCES users (key),
    kind        INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    session     BLOB,
    ip          BLOB,
    user_agent  ANY,
    device_name TEXT,
    reason      TEXT
) STRICT;
CREATE INDEX events_user ON events (user_key);

-- Revocations, as verifiers follow them: AUTOINCREMENT keeps a cursor from ever being given out twice.
CREATE TABLE feed (
    cursor  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    INTEGER NOT NULL, -- 0 a session, 1 a user, 2 a signing key
    subject ANY NOT NULL, -- its id, or the name of the key
    keep    BLOB -- the user's one session that goes on
) STRICT;

CREATE TABLE links (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    purpose    INTEGER NOT NULL, -- 0 reset the password, 1 verify the address
    user_key   INTEGER NOT NULL REFERENCES users (key),
    epoch      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (user_key, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_expiry ON links (expires_at);

CREATE TABLE signing_keys (
    key            INTEGER PRIMARY KEY,
    kid            TEXT NOT NULL UNIQUE,
    algorithm      TEXT NOT NULL,
    public_jwk     TEXT NOT NULL,
    sealed_private BLOB NOT NULL,
    master_id      INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    active_at      INTEGER NOT NULL,
    retires_at     INTEGER
) STRICT;

CREATE TABLE api_keys (
    key        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL, -- JSON
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE clients (
    id              TEXT PRIMARY KEY,
    is_confidential INTEGER NOT NULL CHECK (is_confidential IN (0, 1)),
    secret_hash     BLOB CHECK (length(secret_hash) = 32),
    name            TEXT,
    scopes          TEXT NOT NULL, -- JSON
    created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
