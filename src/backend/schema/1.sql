-- Times are milliseconds since the Unix epoch. Tokens and codes are stored as digests only.

CREATE TABLE server (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO server VALUES ('digest_key', randomblob(32));

CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT,
    username_key  TEXT UNIQUE,
    phone         TEXT UNIQUE,
    email         TEXT,
    email_key     TEXT UNIQUE,
    password      TEXT NOT NULL,
    nickname      TEXT,
    avatar_url    TEXT,
    gender        TEXT,
    status        TEXT NOT NULL DEFAULT 'active',
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    last_login_at INTEGER,
    last_login_ip TEXT,
    locale        TEXT,
    extensions    TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE sessions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    account         INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    access          BLOB NOT NULL UNIQUE,
    access_expires  INTEGER NOT NULL,
    refresh         BLOB NOT NULL UNIQUE,
    refresh_expires INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_expiry ON sessions (refresh_expires);

CREATE TABLE codes (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    challenge   BLOB NOT NULL UNIQUE,
    code        BLOB NOT NULL,
    sent_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    tries_left  INTEGER NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX codes_by_destination ON codes (destination, purpose, id);
CREATE INDEX codes_by_expiry ON codes (expires_at);

-- A proven phone or e-mail that belongs to no account yet.
CREATE TABLE bindings (
    token       BLOB PRIMARY KEY NOT NULL,
    destination TEXT NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_by_expiry ON bindings (expires_at);

-- Requests that were done and must not be done twice.
CREATE TABLE idempotency (
    key         BLOB PRIMARY KEY NOT NULL,
    fingerprint BLOB NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
