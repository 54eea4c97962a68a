-- The data key of each secret that is not deleted, wrapped under the key-encryption key of this public id. Facts about
-- the store besides deployment: integrity_key and integrity_kek are the integrity key, wrapped, and what it is wrapped
-- under; previous_kek is what keys are being taken from, until none is left.
CREATE TABLE data_keys (
    secret_id INTEGER PRIMARY KEY REFERENCES secrets (id),
    kek_id    BLOB    NOT NULL,
    wrapped   BLOB    NOT NULL
) STRICT;
CREATE INDEX data_keys_by_kek ON data_keys (kek_id);
