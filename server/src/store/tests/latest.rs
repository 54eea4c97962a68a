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
        Store::open(options(dir.path(), &clock), |_| {}).unwrap()
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
    let id = "00000000000000aa".to_owned();
    let revoked = site.bench.store.revoke_token(caller(), id);
    revoked.await.unwrap();
    let opened = site.put_back(&["tokens"]);
    assert_eq!(valid(&opened), ["00000000000000bb"]);
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
