-- Version 5: how many sessions a user has is counted by the index alone, as often as somebody logs in.
--
-- A refresh writes none of its columns.
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_key, revoked_at, epoch);
