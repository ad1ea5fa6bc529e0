-- Version 2: accounts can be deleted, and move to another address.

-- When the account was deleted: nothing but its id is left then, for its dead sessions and its events to name.
ALTER TABLE users ADD COLUMN deleted_at INTEGER;
CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- Where a link was mailed to. Purpose 2 moves the account there; the others end when the account has moved.
ALTER TABLE links ADD COLUMN email TEXT;
ALTER TABLE links ADD COLUMN email_key TEXT;
UPDATE links SET (email, email_key) = (SELECT u.email, u.email_key FROM users u WHERE u.key = links.user_key);
