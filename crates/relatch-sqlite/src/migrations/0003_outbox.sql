-- Version 3: what has to reach the world outside, and who follows the audit to fill it.

CREATE TABLE outbox (
    key        INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of queueing
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    kind       INTEGER NOT NULL, -- 0 mail, 1 webhook
    name       TEXT NOT NULL, -- of the webhook
    user_key   INTEGER REFERENCES users (key), -- whose deletion takes it along
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    payload    BLOB NOT NULL -- sealed by the server; last, so that the others are read without it
) STRICT;
CREATE INDEX outbox_due ON outbox (kind, due_at, created_at);
CREATE INDEX outbox_channel ON outbox (kind, name);
CREATE INDEX outbox_user ON outbox (user_key) WHERE user_key IS NOT NULL;

-- The last event that each follower has read.
CREATE TABLE followers (
    name TEXT PRIMARY KEY,
    mark INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
