-- Schemes of the operators' own. tag binds the row: an edited description decides no verification. The tag of a
-- secret whose scheme stands here covers this tag as well.
CREATE TABLE schemes (
    id          TEXT    PRIMARY KEY,
    definition  TEXT    NOT NULL,
    create_time INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    tag         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- The scheme that was added or removed; secret is empty in such a row.
ALTER TABLE audit ADD COLUMN scheme TEXT;
