-- Version 6: devices. Written when somebody logs in or a session is ended, never by a refresh.
CREATE TABLE devices (
    key           INTEGER PRIMARY KEY,
    user_key      INTEGER NOT NULL REFERENCES users (key),
    hash          BLOB NOT NULL CHECK (length(hash) = 8), -- of the device cookie
    id            BLOB NOT NULL CHECK (length(id) = 16), -- what its user calls it by
    name          TEXT,
    is_renamed    INTEGER NOT NULL DEFAULT 0 CHECK (is_renamed IN (0, 1)), -- by its user
    user_agent    ANY, -- a number in `user_agents`, or the text itself
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL -- when the last of its sessions ends at the latest
) STRICT;
CREATE UNIQUE INDEX devices_user ON devices (user_key, hash);
CREATE INDEX devices_expiry ON devices (expires_at);

-- The browsers that people have logged in with until now stay known: those of every session that is still there.
-- When a session began is in bytes 27 to 32 of its identity, the device cookie's hash in 34 to 41.
INSERT INTO devices (user_key, hash, id, name, user_agent, first_seen_at, last_seen_at, expires_at)
SELECT user_key, hash, randomblob(16), device_name, user_agent, min(began_at), max(began_at),
    max(began_at + 7776000000) -- the usual 90 days: what a session's own life is, is in its profile
FROM (
    SELECT s.user_key, substr(s.identity, 34, 8) AS hash, s.device_name, s.user_agent, (
        SELECT sum(((instr('0123456789ABCDEF', substr(hex(substr(s.identity, 27, 6)), n, 1)) - 1) << (4 * (12 - n))))
        FROM (WITH RECURSIVE digits (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM digits WHERE n < 12) SELECT n FROM digits)
    ) AS began_at
    FROM sessions s JOIN users u ON u.key = s.user_key
    WHERE substr(s.identity, 33, 1) = x'01' AND u.deleted_at IS NULL
)
GROUP BY user_key, hash;
