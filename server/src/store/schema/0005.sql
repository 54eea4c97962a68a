-- The audit as a chain: hash covers the record and the hash of the one before it. Every call of the control plane has a
-- record, and every record takes the next number of the counter. subject is the name of a secret or of a token, or the
-- id of a scheme; version is 0 where there is none. meta has the head as audit_head: number, hash, and a MAC over both.
ALTER TABLE audit RENAME TO unchained_audit;
CREATE TABLE audit (
    n         INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    principal TEXT    NOT NULL,
    rpc_id    TEXT    NOT NULL,
    method    TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    detail    TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    hash      BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, n);
