use rusqlite::Connection;

use super::*;

const OWN: &str = "acme.webhook";

fn new(id: &str, definition: &str) -> NewScheme {
    NewScheme {
        id: id.to_owned(),
        definition: definition.to_owned(),
        max_schemes: 2,
        validate_only: false,
    }
}

async fn add(bench: &Bench, id: &str, definition: &str) -> Result<Arc<SchemeRecord>, ChangeError> {
    let new = new(id, definition);
    bench.store.create_scheme(caller(), new).await
}

async fn remove(bench: &Bench, id: &str) -> Result<(), ChangeError> {
    bench.store.delete_scheme(caller(), id.to_owned()).await
}

/// A secret of the scheme as it was added by a change.
async fn use_it(bench: &Bench, text: &str, revision: u64) -> Result<(), ChangeError> {
    let new = NewSecret {
        scheme_revision: Some(revision),
        ..secret(text, OWN, key(text))
    };
    let request = request(&format!("create-{text}"), "create");
    let created = bench.store.create(caller(), request, new, answer).await;
    created.map(|_| ())
}

/// Edits the file of a closed store and opens it again.
fn edited(bench: Bench, sql: &str) -> Opened {
    let clock = bench.clock.clone();
    bench.store.close();
    let database = Connection::open(bench.dir.path().join("countersign.db")).unwrap();
    database.execute_batch(sql).unwrap();
    drop(database);
    // The directory may go: nothing of these tests reads it after the opening.
    Store::open(options(bench.dir.path(), &clock), |_| {}).unwrap()
}

fn ids(schemes: &[SchemeRecord]) -> Vec<&str> {
    schemes.iter().map(|scheme| scheme.id.as_str()).collect()
}

#[tokio::test]
async fn a_scheme_is_there_after_a_restart_and_gone_after_its_deletion() {
    let bench = Bench::new();
    let added = add(&bench, OWN, "one").await.unwrap();
    assert_eq!((added.revision, added.create_time), (1, START));
    let opened = edited(bench, "");
    assert_eq!(opened.schemes, [(*added).clone()]);
    let deleted = opened.store.delete_scheme(caller(), OWN.to_owned());
    deleted.await.unwrap();
    let audit = opened.store.audit_rows(None, 0, 10).await.unwrap();
    let told: Vec<_> = audit
        .iter()
        .map(|row| &row.record)
        .map(|record| {
            (
                record.number,
                record.method.as_str(),
                record.subject.as_str(),
            )
        })
        .collect();
    assert_eq!(told, [(1, "CreateScheme", OWN), (2, "DeleteScheme", OWN)]);
}

#[tokio::test]
async fn the_same_description_again_changes_nothing_and_another_one_is_refused() {
    let bench = Bench::new();
    let first = add(&bench, OWN, "one").await.unwrap();
    bench.later(HOUR);
    assert_eq!(add(&bench, OWN, "one").await, Ok(first));
    assert_eq!(add(&bench, OWN, "two").await, Err(ChangeError::SchemeTaken));
    assert_eq!(bench.store.change_number().await, Ok(1));
}

#[tokio::test]
async fn a_trial_writes_nothing() {
    let bench = Bench::new();
    let trial = NewScheme {
        validate_only: true,
        ..new(OWN, "one")
    };
    bench.store.create_scheme(caller(), trial).await.unwrap();
    assert_eq!(bench.store.change_number().await, Ok(0));
    assert_eq!(remove(&bench, OWN).await, Err(ChangeError::SchemeNotFound));
}

#[tokio::test]
async fn there_are_at_most_so_many_schemes() {
    let bench = Bench::new();
    add(&bench, "acme.a", "a").await.unwrap();
    add(&bench, "acme.b", "b").await.unwrap();
    assert_eq!(
        add(&bench, "acme.c", "c").await,
        Err(ChangeError::TooManySchemes)
    );
    add(&bench, "acme.b", "b").await.unwrap();
    remove(&bench, "acme.a").await.unwrap();
    add(&bench, "acme.c", "c").await.unwrap();
}

#[tokio::test]
async fn a_scheme_in_use_stays_and_a_tombstone_is_no_use() {
    let bench = Bench::new();
    add(&bench, OWN, "one").await.unwrap();
    use_it(&bench, "acme/a", 1).await.unwrap();
    assert_eq!(remove(&bench, OWN).await, Err(ChangeError::SchemeInUse));
    let deleted = bench.store.delete(caller(), name("acme/a"), true);
    deleted.await.unwrap();
    remove(&bench, OWN).await.unwrap();
}

#[tokio::test]
async fn a_secret_is_made_for_the_scheme_that_its_caller_saw() {
    let bench = Bench::new();
    assert_eq!(
        use_it(&bench, "acme/a", 1).await,
        Err(ChangeError::SchemeNotFound)
    );
    add(&bench, OWN, "one").await.unwrap();
    remove(&bench, OWN).await.unwrap();
    add(&bench, OWN, "two").await.unwrap();
    assert_eq!(
        use_it(&bench, "acme/a", 1).await,
        Err(ChangeError::SchemeNotFound)
    );
    use_it(&bench, "acme/a", 3).await.unwrap();
}

#[tokio::test]
async fn a25_an_edited_description_does_not_open() {
    for edit in [
        "UPDATE schemes SET definition = 'two'",
        "UPDATE schemes SET id = 'acme.other'",
        "UPDATE schemes SET create_time = 1",
        "UPDATE schemes SET revision = -1",
        "UPDATE schemes SET revision = 2",
        "UPDATE schemes SET tag = zeroblob(32)",
    ] {
        let bench = Bench::new();
        add(&bench, OWN, "one").await.unwrap();
        let opened = edited(bench, edit);
        assert!(opened.schemes.is_empty(), "{edit}");
        // It can be deleted, and then added again.
        let id = match edit.contains("acme.other") {
            true => "acme.other",
            false => OWN,
        };
        let store = opened.store;
        if id == OWN {
            let again = store.create_scheme(caller(), new(OWN, "one")).await;
            assert_eq!(again, Err(ChangeError::SchemeCorrupt), "{edit}");
        }
        store.delete_scheme(caller(), id.to_owned()).await.unwrap();
        let again = store.create_scheme(caller(), new(OWN, "one")).await;
        assert!(again.is_ok(), "{edit}");
    }
}

#[tokio::test]
async fn a25_an_older_description_of_the_same_id_opens_no_secret() {
    let bench = Bench::new();
    add(&bench, OWN, "the older one").await.unwrap();
    let keep = "CREATE TABLE kept AS SELECT * FROM schemes";
    bench.sql(keep).await;
    remove(&bench, OWN).await.unwrap();
    add(&bench, OWN, "the newer one").await.unwrap();
    use_it(&bench, "acme/a", 3).await.unwrap();
    bench.create("acme/b", key("key b")).await.unwrap();
    let opened = edited(
        bench,
        "DELETE FROM schemes; INSERT INTO schemes SELECT * FROM kept; DROP TABLE kept;",
    );
    // Its row is one that we wrote, and it is not the last one, nor the one that the secret was made for.
    assert!(opened.schemes.is_empty());
    assert_eq!(opened.corrupt, [name("acme/a")]);
    assert_eq!(opened.records.len(), 1);
}

#[tokio::test]
async fn a25_a_secret_without_its_scheme_does_not_open() {
    let bench = Bench::new();
    add(&bench, OWN, "one").await.unwrap();
    use_it(&bench, "acme/a", 1).await.unwrap();
    let opened = edited(bench, "DELETE FROM schemes");
    assert!(opened.schemes.is_empty() && opened.records.is_empty());
    assert_eq!(opened.corrupt, [name("acme/a")]);
}

#[tokio::test]
async fn a_commit_that_fails_adds_no_scheme_and_publishes_none() {
    let bench = Bench::new();
    bench
        .sql(
            "CREATE TABLE trap (x INTEGER REFERENCES secrets (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER spring AFTER INSERT ON audit BEGIN INSERT INTO trap VALUES (-1); END;",
        )
        .await;
    assert_eq!(add(&bench, OWN, "one").await, Err(ChangeError::Unavailable));
    bench.sql("DROP TRIGGER spring; DROP TABLE trap;").await;
    assert_eq!(bench.store.change_number().await, Ok(0));
    let opened = edited(bench, "");
    assert_eq!(ids(&opened.schemes), Vec::<&str>::new());
}
