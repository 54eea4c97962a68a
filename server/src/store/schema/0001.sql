-- Facts about this store: deployment (its random id), kek_check (check value of the key-encryption key).
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

-- A request id is used once, for ever. Its sealed answer lives for a day.
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

-- One row a change, in the transaction of the change.
CREATE TABLE audit (
    n         INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    principal TEXT    NOT NULL,
    rpc_id    TEXT    NOT NULL,
    method    TEXT    NOT NULL,
    secret    TEXT    NOT NULL,
    version   INTEGER,
    -- How: the ending of a rotation, where the key came from, remarks on it.
    detail    TEXT    NOT NULL,
    outcome   TEXT    NOT NULL
) STRICT;
