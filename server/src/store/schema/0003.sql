-- Credentials of callers. A bearer token is kept as the SHA-256 of its text; a certificate by its subject alternative
-- name. tag binds the row: edited grants do not open. Times are milliseconds since the Unix epoch.
CREATE TABLE tokens (
    id              TEXT    PRIMARY KEY,
    name            TEXT    NOT NULL,
    digest          BLOB,
    certificate_san TEXT,
    grants          TEXT    NOT NULL,
    creator         TEXT    NOT NULL,
    create_time     INTEGER NOT NULL,
    expire_time     INTEGER,
    revoke_time     INTEGER,
    tag             BLOB    NOT NULL,
    CHECK ((digest IS NULL) <> (certificate_san IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_name ON tokens (name);

-- The token that was made or revoked; secret is empty in such a row.
ALTER TABLE audit ADD COLUMN token TEXT;
