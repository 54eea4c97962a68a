//! The key-encryption key is replaced, and a store is made, while the program is killed at every step of it.

use std::fs;

use countersign_client::{Client, v1};
use countersign_server::KekId;
use secrecy::SecretBox;
use support::process::{PATIENCE, Running, Site, command, finish, random_hex};

mod support;

/// The setting that names the key which is being replaced.
const PREVIOUS: &str = "COUNTERSIGN_KEY_ENCRYPTION_PREVIOUS_KEY_FILE";
const SECRETS: usize = 4;
const USER: &str = "user-42";
/// What the log says when the previous key may go.
const DONE: &str = "can be taken out";

async fn hash_of(client: &Client, name: &str) -> String {
    let request = v1::SignRequest {
        secret: name.to_owned(),
        input: Some(v1::sign_request::Input::Identity(support::user(USER))),
        ttl: None,
    };
    client.sign(request).await.unwrap().hash
}

/// A site with secrets that was stopped, and what its secrets sign.
async fn stopped() -> (Site, Vec<String>) {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    for number in 0..SECRETS {
        let new = support::new_secret(&format!("acme/s{number}"), "chatwoot.identity");
        client.create_secret(new).await.unwrap();
    }
    let signed = signed(&client).await;
    running.kill();
    (site, signed)
}

async fn signed(client: &Client) -> Vec<String> {
    let mut signed = Vec::new();
    for number in 0..SECRETS {
        signed.push(hash_of(client, &format!("acme/s{number}")).await);
    }
    signed
}

/// Puts another key-encryption key in the place of the site's, and keeps the old one as `kek.old`.
fn replace_kek(site: &Site) {
    site.write("kek.old", &site.kek, 0o600);
    site.write("kek", &random_hex(), 0o600);
}

/// Starts with both keys, and perhaps a failpoint.
fn spawn(site: &Site, failpoint: Option<&str>) -> Running {
    let old = site.path("kek.old");
    let mut variables = vec![(PREVIOUS, old.to_str().unwrap())];
    variables.extend(failpoint.map(|failpoint| ("FAILPOINT", failpoint)));
    site.spawn_with(&variables)
}

async fn until_done(site: &Site) {
    let begin = std::time::Instant::now();
    while !site.log().contains(DONE) {
        assert!(begin.elapsed() < PATIENCE, "{}", site.log());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn serves(site: &Site, mut running: Running, expected: &[String]) -> Running {
    assert!(running.serves_or_ends().await, "{}", site.log());
    let client = site.client(&running).await;
    assert_eq!(signed(&client).await, expected);
    running
}

#[tokio::test]
async fn f33_a_kek_is_replaced_while_the_server_serves() {
    let (site, expected) = stopped().await;
    replace_kek(&site);
    let running = serves(&site, spawn(&site, None), &expected).await;
    until_done(&site).await;
    // Before the key is taken out, a start says the same again.
    running.kill();
    let running = serves(&site, spawn(&site, None), &expected).await;
    until_done(&site).await;
    running.kill();
    serves(&site, site.spawn(), &expected).await.kill();
    // The old key opens nothing any more.
    fs::copy(site.path("kek.old"), site.path("kek")).unwrap();
    let (output, _) = finish(&mut site.serve_command(), PATIENCE);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("not the one of this store"), "{said}");
}

#[tokio::test]
async fn f33_the_audit_says_when_a_kek_began_to_be_replaced_and_when_that_was_done() {
    let (site, expected) = stopped().await;
    replace_kek(&site);
    spawn(&site, Some("rewrap:kill@2")).wait(PATIENCE).await;
    // Neither of the further starts begins anything anew.
    for _ in 0..2 {
        let running = serves(&site, spawn(&site, None), &expected).await;
        until_done(&site).await;
        running.kill();
    }
    let running = serves(&site, site.spawn(), &expected).await;
    let client = site.client(&running).await;
    let records = client.list_audit_records("", 0).await.unwrap();
    let steps: Vec<_> = records
        .iter()
        .filter(|record| record.method == "ReplaceKeyEncryptionKey")
        .map(|record| (record.principal.as_str(), record.detail.as_str()))
        .collect();
    let [old, new] = [site.path("kek.old"), site.path("kek")]
        .map(|path| KekId::of(&countersign_server::config::read_kek(&path).unwrap()));
    let said = |step| format!("{step}: {new} in the place of {old}");
    assert_eq!(
        steps,
        [("operator", &*said("begun")), ("operator", &*said("done"))]
    );
    assert_eq!(client.verify_audit_chain(None).await.unwrap().finding, "");
}

#[tokio::test]
async fn f33_a_rewrap_killed_at_any_row_goes_on_and_the_previous_kek_is_held_until_its_end() {
    let rows = (1..=SECRETS)
        .flat_map(|row| ["rewrap", "after-commit"].map(|point| format!("{point}:kill@{row}")));
    let facts = (1..=3).map(|step| format!("replace-kek:kill@{step}"));
    for failpoint in rows.chain(facts) {
        let (site, expected) = stopped().await;
        replace_kek(&site);
        let mut running = spawn(&site, Some(&failpoint));
        running.wait(PATIENCE).await;
        assert!(site.log().contains("failpoint"), "{failpoint} was not met");
        refused_without_the_previous(&site, &failpoint);
        let running = serves(&site, spawn(&site, None), &expected).await;
        until_done(&site).await;
        running.kill();
        serves(&site, site.spawn(), &expected).await.kill();
    }
}

/// How many data keys are wrapped under a key-encryption key.
fn keys_under(site: &Site, kek: &str) -> u32 {
    let mut key = Box::new([0; 32]);
    hex::decode_to_slice(kek, key.as_mut_slice()).unwrap();
    let id = KekId::of(&SecretBox::new(key)).to_string();
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let sql = "SELECT count(*) FROM data_keys WHERE lower(hex(kek_id)) = ?1";
    database.query_row(sql, [id], |row| row.get(0)).unwrap()
}

/// Unless the last row was done, the number of those that were not is told.
fn refused_without_the_previous(site: &Site, failpoint: &str) {
    let old = keys_under(site, &site.kek);
    if failpoint == format!("after-commit:kill@{SECRETS}") {
        return;
    }
    let (output, took) = finish(&mut site.serve_command(), PATIENCE);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{failpoint}: {said}");
    assert!(took.as_secs() < 2, "{took:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let begun = !failpoint.starts_with("replace-kek") || failpoint.ends_with('3');
    let words = match begun {
        true => format!("{old} keys of the store are still under the previous key-encryption key"),
        false => "not the one of this store".to_owned(),
    };
    assert!(said.contains(&words), "{failpoint}: {said}");
}

#[tokio::test]
async fn f32_the_id_of_a_kek_proves_a_backup_of_it() {
    let (site, _) = stopped().await;
    let id = |name: &str| {
        let mut kek = command();
        kek.args(["kek", "id"]).arg(site.path(name));
        let (output, _) = finish(&mut kek, PATIENCE);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    site.write("copy", &format!("{}\n", site.kek), 0o600);
    let (code, of_copy) = id("copy");
    assert_eq!((code, of_copy.len()), (Some(0), 17));
    assert!(site.log().contains(of_copy.trim()), "the log names it");
    site.write("other", &random_hex(), 0o600);
    assert_ne!(id("other").1, of_copy);
    site.write("open", &site.kek, 0o644);
    assert_eq!(id("open"), (Some(64), String::new()));
    assert!(!site.kek.contains(of_copy.trim()));
}

#[tokio::test]
async fn a10_the_same_key_twice_and_a_previous_key_that_others_may_read_are_refused() {
    let (site, _) = stopped().await;
    for (text, mode, words) in [
        (site.kek.clone(), 0o600, "holds the same key"),
        (random_hex(), 0o644, "(mode 0644)"),
    ] {
        site.write("kek.old", &text, mode);
        let mut serve = site.serve_command();
        serve.env(PREVIOUS, site.path("kek.old"));
        let (output, _) = finish(&mut serve, PATIENCE);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(words) && said.contains("previous_key_file"));
    }
}

/// Makes the first token, which opens the store, with a failpoint armed; tells whether it came to its end. If it did
/// not, the next one makes the token.
fn is_ready_despite(site: &mut Site, kill: usize) -> bool {
    let mut init = command();
    init.args(["init", "--config"])
        .arg(site.path("countersign.toml"))
        .arg("--out")
        .arg(site.path("token"))
        .env("FAILPOINT", format!("migrate:kill@{kill}"));
    let (output, _) = finish(&mut init, PATIENCE);
    let is_ready = output.status.success();
    match is_ready {
        true => {
            let token = fs::read_to_string(site.path("token")).unwrap();
            site.token = token.trim_end().to_owned();
        }
        false => {
            assert_eq!(output.status.code(), None, "it was killed");
            let _ = fs::remove_file(site.path("token"));
            site.init();
        }
    }
    is_ready
}

#[tokio::test]
async fn f28_a_first_start_killed_at_any_statement_is_completed_by_the_next_one() {
    let last = 'kills: {
        for kill in 1..100 {
            let mut site = Site::without_store();
            let is_ready = is_ready_despite(&mut site, kill);
            let running = site.serve().await;
            let client = site.client(&running).await;
            let new = support::new_secret("a/b", "chatwoot.identity");
            client.create_secret(new).await.unwrap();
            running.kill();
            let running = site.serve().await;
            hash_of(&site.client(&running).await, "a/b").await;
            running.kill();
            if is_ready {
                break 'kills kill - 1;
            }
        }
        100
    };
    assert!((16..99).contains(&last), "{last}");
    eprintln!("{last} places");
}
