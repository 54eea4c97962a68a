-- Facts about this store: deployment (its random id); integrity_key and integrity_kek, the integrity key, wrapped, and
-- what it is wrapped under; previous_kek, what keys are being taken from, until none is left; audit_head, the number and
-- hash of the last record of the audit, and a MAC over both.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row. Every change begins by raising n, so the order of commits is the order of numbers.
CREATE TABLE change_counter (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;
INSERT INTO change_counter (id, n) VALUES (1, 0);

-- tag binds the row and the rows of its versions, but for the times of last use: an edited row does not open.
-- A deleted secret stays as a tombstone without settings. Times are milliseconds since the Unix epoch.
CREATE TABLE secrets (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL,
    scheme         TEXT    NOT NULL,
    mode           TEXT    CHECK (mode IN ('off', 'optional', 'required')),
    tolerance      INTEGER CHECK (tolerance >= 0),
    timestamp_unit TEXT    CHECK (timestamp_unit IN ('seconds', 'milliseconds')),
    replay         TEXT    CHECK (replay IN ('off', 'report', 'deny')),
    parameters     TEXT    NOT NULL,
    labels         TEXT    NOT NULL,
    create_time    INTEGER NOT NULL,
    update_time    INTEGER NOT NULL,
    delete_time    INTEGER,
    revision       INTEGER NOT NULL,
    tag            BLOB
) STRICT;
CREATE INDEX secrets_by_name ON secrets (name);
CREATE UNIQUE INDEX one_secret_of_a_name ON secrets (name) WHERE delete_time IS NULL;

-- sealed_key and fingerprint are erased when the secret is deleted.
CREATE TABLE versions (
    secret_id      INTEGER NOT NULL REFERENCES secrets (id),
    number         INTEGER NOT NULL CHECK (number > 0),
    state          TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'grace', 'retired', 'revoked')),
    create_time    INTEGER NOT NULL,
    activate_time  INTEGER,
    grace_end_time INTEGER,
    revoke_time    INTEGER,
    key_id         TEXT,
    imported       INTEGER NOT NULL CHECK (imported IN (0, 1)),
    warnings       TEXT    NOT NULL,
    sealed_key     BLOB,
    fingerprint    BLOB,
    last_sign      INTEGER,
    last_verify    INTEGER,
    PRIMARY KEY (secret_id, number)
) STRICT;
CREATE UNIQUE INDEX one_active_version ON versions (secret_id) WHERE state = 'active';
CREATE INDEX versions_by_fingerprint ON versions (fingerprint);

-- The data key of each secret that is not deleted, wrapped under the key-encryption key of this public id.
CREATE TABLE data_keys (
    secret_id INTEGER PRIMARY KEY REFERENCES secrets (id),
    kek_id    BLOB    NOT NULL,
    wrapped   BLOB    NOT NULL
) STRICT;
CREATE INDEX data_keys_by_kek ON data_keys (kek_id);

-- Schemes of the operators' own. tag binds the row: an edited description decides no verification. The tag of a
-- secret whose scheme stands here covers this tag as well.
CREATE TABLE schemes (
    id          TEXT    PRIMARY KEY,
    definition  TEXT    NOT NULL,
    create_time INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    tag         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Credentials of callers. A bearer token is kept as the SHA-256 of its text; a certificate by its subject alternative
-- name. tag binds the row: edited grants do not open.
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

-- A request id is used once, for ever. Its sealed answer lives for a day, and opens for the other columns alone.
CREATE TABLE requests (
    id          TEXT    PRIMARY KEY,
    principal   TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    args_digest BLOB    NOT NULL,
    answer      BLOB,
    secret_id   INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    FOREIGN KEY (secret_id, version) REFERENCES versions (secret_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_secret ON requests (secret_id);
CREATE INDEX requests_with_answer ON requests (create_time) WHERE answer IS NOT NULL;

-- The audit as a chain: hash covers the record and the hash of the one before it. Every call of the control plane has a
-- record, and every record takes the next number of the counter. subject is the name of a secret or of a token, or the
-- id of a scheme; version is 0 where there is none.
CREATE TABLE audit (
    n         INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    principal TEXT    NOT NULL,
    rpc_id    TEXT    NOT NULL,
    method    TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    -- How: the ending of a rotation, where the key came from, remarks on it.
    detail    TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    hash      BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, n);
-- The changes of a secret, a scheme or a token: their rows are held against the last of them.
CREATE INDEX audit_of_changes ON audit (subject, method, n) WHERE outcome = 'OK';
