-- Version 4: second factors.

CREATE TABLE factors (
    key          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    user_key     INTEGER NOT NULL REFERENCES users (key),
    kind         INTEGER NOT NULL, -- 0 an authenticator app
    name         TEXT NOT NULL,
    seed         BLOB NOT NULL, -- sealed
    master_id    INTEGER NOT NULL, -- the master key that it is sealed under
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL, -- counts as long as it isn't confirmed
    confirmed_at INTEGER,
    last_step    INTEGER NOT NULL DEFAULT 0 -- no code of this time step, or of one before, counts again
) STRICT;
CREATE INDEX factors_user ON factors (user_key);

CREATE TABLE recovery_codes (
    user_key INTEGER NOT NULL REFERENCES users (key),
    hash     BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user_key, hash)
) STRICT, WITHOUT ROWID;

-- Wrong codes since the last right one.
ALTER TABLE users ADD COLUMN code_failures INTEGER NOT NULL DEFAULT 0;
