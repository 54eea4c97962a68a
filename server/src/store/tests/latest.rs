//! Rows that were put back as they once were bear good tags, and are found by what the audit says was done since.

use countersign_core::access::Grants;
use rusqlite::Connection;

use super::*;

/// A store before and after its secret, its scheme and its token were ended.
struct Site {
    bench: Bench,
    before: std::path::PathBuf,
}

const TABLES: [&str; 5] = ["secrets", "versions", "data_keys", "schemes", "tokens"];

async fn site() -> Site {
    let bench = Bench::new();
    for text in ["acme/a", "acme/b"] {
        bench.create(text, key(text)).await.unwrap();
    }
    let scheme = NewScheme {
        id: "acme.webhook".to_owned(),
        definition: "one".to_owned(),
        max_schemes: 1,
        validate_only: false,
    };
    bench.store.create_scheme(caller(), scheme).await.unwrap();
    for id in ["00000000000000aa", "00000000000000bb"] {
        let token = NewToken {
            id: id.to_owned(),
            name: name(&format!("acme/{}", &id[14..])),
            credential: Credential::Bearer([1; 32]),
            grants: Grants::everything(),
            expire_time: None,
            first: false,
        };
        bench.store.create_token(caller(), token).await.unwrap();
    }
    let bench = bench.reopened();
    bench.store.close();
    let before = bench.dir.path().join("before.db");
    std::fs::copy(bench.dir.path().join("countersign.db"), &before).unwrap();
    let bench = Bench::open(bench.dir, START);
    Site { bench, before }
}

impl Site {
    /// Puts rows of tables back as they were, and opens the store again.
    fn put_back(self, tables: &[&str]) -> Opened {
        self.edited(tables, |_| {}).unwrap()
    }

    /// The same, with another edit of the file.
    fn edited(self, tables: &[&str], edit: fn(&Path)) -> Result<Opened, OpenError> {
        let Bench {
            dir, clock, store, ..
        } = self.bench;
        store.close();
        let database = Connection::open(dir.path().join("countersign.db")).unwrap();
        database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let attach = "ATTACH ?1 AS before";
        database
            .execute(attach, [self.before.to_str().unwrap()])
            .unwrap();
        for table in tables {
            let sql = format!("INSERT OR REPLACE INTO {table} SELECT * FROM before.{table}");
            database.execute(&sql, []).unwrap();
        }
        drop(database);
        edit(&dir.path().join("countersign.db"));
        Store::open(options(dir.path(), &clock), |_| {})
    }

    async fn revoke_token(&self) {
        let id = "00000000000000aa".to_owned();
        let revoked = self.bench.store.revoke_token(caller(), id);
        revoked.await.unwrap();
    }
}

fn valid(opened: &Opened) -> Vec<&str> {
    let valid = opened.tokens.iter().filter(|token| token.is_valid(START));
    valid.map(|token| token.id.as_str()).collect()
}

fn names(opened: &Opened) -> Vec<&str> {
    opened.records.iter().map(|it| it.name.as_str()).collect()
}

#[tokio::test]
async fn a25_rows_that_nobody_changed_since_may_be_put_back() {
    let site = site().await;
    let opened = site.put_back(&TABLES);
    assert_eq!(names(&opened), ["acme/a", "acme/b"]);
    assert_eq!((opened.schemes.len(), valid(&opened).len()), (1, 2));
    assert!(opened.corrupt.is_empty());
}

#[tokio::test]
async fn a25_a_token_of_before_its_revocation_admits_nobody() {
    let site = site().await;
    site.revoke_token().await;
    let opened = site.put_back(&["tokens"]);
    assert_eq!(valid(&opened), ["00000000000000bb"]);
}

/// An index whose entries are not those of the audit, with the text of the one that should be there.
fn forge_index(file: &Path) {
    let database = Connection::open(file).unwrap();
    let text = "SELECT sql FROM sqlite_schema WHERE name = 'audit_of_changes'";
    let text: String = database.query_row(text, [], |row| row.get(0)).unwrap();
    let other = "
        CREATE TABLE other (n INTEGER PRIMARY KEY, subject TEXT NOT NULL, method TEXT NOT NULL, outcome TEXT NOT NULL) STRICT;
        INSERT INTO other SELECT n, iif(method = 'RevokeToken', 'x', subject), method, outcome FROM audit;
        DROP INDEX audit_of_changes;
        CREATE INDEX audit_of_changes ON other (subject, method, n) WHERE outcome = 'OK';
        PRAGMA writable_schema = ON";
    database.execute_batch(other).unwrap();
    let point =
        "UPDATE sqlite_schema SET tbl_name = 'audit', sql = ?1 WHERE name = 'audit_of_changes'";
    database.execute(point, [text]).unwrap();
    drop(database);
    let database = Connection::open(file).unwrap();
    database.execute_batch("DROP TABLE other").unwrap();
}

/// The record is there for who reads all of them, and not for who looks for it before the next change.
fn hide_by_trigger(file: &Path) {
    let sql = "
        CREATE TABLE hidden AS SELECT * FROM audit WHERE method = 'RevokeToken';
        DELETE FROM audit WHERE method = 'RevokeToken';
        CREATE TRIGGER later AFTER UPDATE ON change_counter BEGIN
            INSERT OR IGNORE INTO audit SELECT * FROM hidden;
        END";
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn hide_by_view(file: &Path) {
    let sql = "
        ALTER TABLE audit RENAME TO whole;
        CREATE VIEW audit AS SELECT * FROM whole WHERE method <> 'RevokeToken'";
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a25_a_store_that_would_show_other_rows_than_there_are_does_not_open() {
    for edit in [forge_index, hide_by_trigger, hide_by_view] {
        let site = site().await;
        site.revoke_token().await;
        let opened = site.edited(&["tokens"], edit);
        assert_eq!(opened.unwrap_err(), OpenError::Damaged);
    }
}

#[tokio::test]
async fn a25_what_a_restore_has_ended_does_not_come_back() {
    let site = site().await;
    site.revoke_token().await;
    let emergency = rotation("acme/a", Ending::Emergency, "key 2");
    site.bench.rotate("r-1", emergency).await.unwrap();
    let Site { bench, before } = site;
    bench.store.close();
    let restored = restore(RestoreOptions {
        store: options(bench.dir.path(), &bench.clock),
        copy: before.clone(),
        keep: std::collections::BTreeSet::new(),
        accept: true,
    });
    restored.unwrap();
    let bench = Bench::open(bench.dir, START);
    assert!(bench.corrupt.is_empty());
    let site = Site { bench, before };
    let opened = site.put_back(&["secrets", "versions", "data_keys", "tokens"]);
    assert_eq!(valid(&opened), ["00000000000000bb"]);
    assert_eq!(opened.corrupt, [name("acme/a")]);
}

/// A secret's key is in the answer to the one who created it.
#[tokio::test]
async fn a25_an_answer_is_nobody_elses_and_of_no_other_time() {
    for edit in ["principal = 'mallory'", "create_time = create_time + 1"] {
        let bench = Bench::new();
        bench.create("acme/a", key("k")).await.unwrap();
        let bench = bench.reopened();
        let sql = format!("UPDATE requests SET {edit}");
        let work = move |writer: &mut Writer| writer.read(|it| it.execute(&sql, []));
        bench.store.submit(work).await.unwrap();
        for principal in ["alice", "mallory"] {
            let new = secret("acme/a", SCHEME, key("k"));
            let again = request("create-acme/a", "create");
            let caller = caller_named(principal);
            let answered = bench.store.create(caller, again, new, answer).await;
            assert_eq!(answered.unwrap_err(), ChangeError::RequestIdConflict);
        }
    }
}

#[tokio::test]
async fn a25_a_secret_of_before_its_last_change_does_not_serve() {
    for change in ["rotate", "revoke", "delete"] {
        let site = site().await;
        let (bench, a) = (&site.bench, name("acme/a"));
        match change {
            "rotate" => {
                let emergency = rotation("acme/a", Ending::Emergency, "key 2");
                bench.rotate("r-1", emergency).await.map(drop)
            }
            "revoke" => {
                let revoked = bench.store.revoke(caller(), a.clone(), 1, true);
                revoked.await.map(drop)
            }
            _ => bench.store.delete(caller(), a.clone(), true).await,
        }
        .unwrap();
        let opened = site.put_back(&["secrets", "versions", "data_keys"]);
        assert_eq!(names(&opened), ["acme/b"], "{change}");
        assert_eq!(opened.corrupt, [a], "{change}");
        // What comes of it is an end, and never another key.
        let again = rotation("acme/a", Ending::Emergency, "key 3");
        let rotated = opened
            .store
            .rotate(caller(), request("r-2", "rotate"), again, answer);
        assert_eq!(rotated.await.unwrap_err(), ChangeError::Corrupt);
    }
}

#[tokio::test]
async fn a25_a_scheme_of_before_its_deletion_does_not_serve() {
    let site = site().await;
    let id = "acme.webhook".to_owned();
    let deleted = site.bench.store.delete_scheme(caller(), id);
    deleted.await.unwrap();
    assert!(site.put_back(&["schemes"]).schemes.is_empty());
}

/// Of what a caller was answered twice, and of what was only tried, nothing is later than the change.
#[tokio::test]
async fn a25_a_repeated_call_is_no_later_change() {
    let site = site().await;
    let note = |method: &str, subject: &str, detail: &str| {
        let noted = Noted {
            method: method.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
            outcome: "OK".to_owned(),
        };
        site.bench.store.note(caller(), noted)
    };
    for method in ["RotateSecret", "DeleteSecret"] {
        note(method, "acme/a", NOTHING_CHANGED).await.unwrap();
    }
    note("GetSecret", "acme/a", "").await.unwrap();
    note("RevokeToken", "acme/aa", NOTHING_CHANGED)
        .await
        .unwrap();
    let opened = site.put_back(&[]);
    assert_eq!(names(&opened), ["acme/a", "acme/b"]);
    assert_eq!(valid(&opened).len(), 2);
}

#[tokio::test]
async fn the_last_change_is_found_by_an_index() {
    let site = site().await;
    let plan = "EXPLAIN QUERY PLAN SELECT 1 FROM audit WHERE subject = 'a'
                AND method IN ('CreateSecret', 'DeleteSecret') AND outcome = 'OK' AND n > 5";
    let work = move |writer: &mut Writer| {
        writer.read(|connection| connection.query_row(plan, [], |row| row.get::<_, String>(3)))
    };
    let plan = site.bench.store.submit(work).await.unwrap();
    assert!(plan.contains("audit_of_changes"), "{plan}");
}
