-- From here on integrity_key says that the audit is chained. And what changed a secret, a scheme or a token is found by
-- its name: their rows are held against the last of these records.
CREATE INDEX audit_of_changes ON audit (subject, method, n) WHERE outcome = 'OK';
