//! A copy of the store is whole, sealed and marked; restoring one brings nothing back unseen.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_client::{Client, v1};
use support::process::{PATIENCE, Running, Site, command, finish, random_hex};
use v1::VersionState;

mod support;

const SCHEME: &str = "chatwoot.identity";

/// Runs a command; answers its exit code and what it wrote.
fn run(mut command: Command) -> (i32, String) {
    let (output, _) = finish(&mut command, PATIENCE);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn backup_command(site: &Site, running: &Running, out: &str) -> Command {
    let mut backup = command();
    backup
        .args(["backup", "--server"])
        .arg(format!("http://{}", running.address()))
        .env("COUNTERSIGN_TOKEN", &site.token)
        .arg("--out")
        .arg(site.path(out));
    backup
}

fn back_up(site: &Site, running: &Running) -> PathBuf {
    let (code, said) = run(backup_command(site, running, "copy"));
    assert_eq!(code, 0, "{said}");
    site.path("copy")
}

fn restore(site: &Site, more: &[&str]) -> (i32, String) {
    let mut restore = command();
    restore.arg("restore").arg(site.path("copy"));
    restore.arg("--config").arg(site.path("countersign.toml"));
    restore.args(more);
    run(restore)
}

async fn create(client: &Client, name: &str) -> String {
    let new = support::new_secret(name, SCHEME);
    client.create_secret(new).await.unwrap().revealed_key
}

async fn states(client: &Client, name: &str) -> Vec<VersionState> {
    let secret = client.get_secret(name).await.unwrap();
    secret.versions.iter().map(v1::Version::state).collect()
}

fn line<'a>(said: &'a str, secret: &str, version: &str) -> &'a str {
    let is_it = |line: &&str| {
        let mut words = line.split_whitespace();
        words.next() == Some(secret) && words.next() == Some(version)
    };
    said.lines().find(is_it).unwrap_or_default()
}

/// Every file of the data directory with its length and time of change, but for the lock.
fn listing(site: &Site) -> Vec<(String, u64)> {
    let mut files: Vec<_> = fs::read_dir(site.data_dir())
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, file.metadata().unwrap().len())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a24_a_copy_is_private_and_sealed_and_overwrites_nothing() {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    let key = create(&client, "acme/chat").await;
    let copy = back_up(&site, &running);
    assert_eq!(
        fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let bytes = fs::read(&copy).unwrap();
    let kek = hex::decode(&site.kek).unwrap();
    for secret in [
        key.as_bytes(),
        site.token.as_bytes(),
        site.kek.as_bytes(),
        &kek,
    ] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let (code, said) = run(backup_command(&site, &running, "copy"));
    assert_eq!(code, 64, "{said}");
    assert!(fs::read(&copy).unwrap() == bytes, "untouched");
    let mut refused = backup_command(&site, &running, "other");
    refused.env("COUNTERSIGN_TOKEN", random_hex());
    let (code, said) = run(refused);
    assert_eq!(code, 77, "{said}");
    assert!(!site.path("other").exists(), "half a copy is none");
    let names: Vec<_> = listing(&site).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.starts_with("copy-")));
}

#[tokio::test]
async fn what_a_killed_process_left_of_its_copies_is_removed_by_the_next_start() {
    let site = Site::new();
    site.serve().await.kill();
    for name in ["copy-00.tmp", "copy-00.tmp-journal"] {
        fs::write(site.data_dir().join(name), "half a copy").unwrap();
    }
    site.serve().await.kill();
    let names: Vec<_> = listing(&site).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.starts_with("copy-")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f30_a_copy_that_is_taken_during_writes_is_whole_and_opens() {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    create(&client, "acme/first").await;
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (client, done) = (client.clone(), done.clone());
        async move {
            let mut count = 0;
            while !done.load(Ordering::SeqCst) {
                create(&client, &format!("acme/s{count}")).await;
                count += 1;
            }
            count
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = client.list_secrets("").await.unwrap().len();
    let (signing, pieces) = tokio::join!(
        async {
            let request = v1::SignRequest {
                secret: "acme/first".to_owned(),
                input: Some(v1::sign_request::Input::Identity(support::user("u"))),
                ttl: None,
            };
            client.sign(request).await
        },
        async {
            let mut copy = client.create_backup().await.unwrap();
            let mut pieces = Vec::new();
            while let Some(piece) = copy.next().await.unwrap() {
                assert!(!piece.is_empty() && piece.len() <= 64 * 1024);
                pieces.push(piece);
            }
            pieces
        }
    );
    signing.unwrap();
    done.store(true, Ordering::SeqCst);
    let written = writer.await.unwrap() + 1;
    running.kill();
    assert!(pieces.len() > 1);
    fs::write(site.path("copy"), pieces.concat()).unwrap();
    let mut elsewhere = Site::without_store();
    elsewhere.write("kek", &site.kek, 0o600);
    elsewhere.token.clone_from(&site.token);
    fs::copy(site.path("copy"), elsewhere.path("copy")).unwrap();
    let (code, said) = restore(&elsewhere, &["--accept"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("No store is there now"), "{said}");
    let running = elsewhere.serve().await;
    let client = elsewhere.client(&running).await;
    let restored = client.list_secrets("").await.unwrap().len();
    assert!(
        (before..=written).contains(&restored),
        "{before} {restored} {written}"
    );
    create(&client, "acme/after").await;
}

#[tokio::test]
async fn f31_a_copy_is_no_store_until_it_is_accepted() {
    let site = Site::new();
    let running = site.serve().await;
    create(&site.client(&running).await, "acme/chat").await;
    let copy = back_up(&site, &running);
    running.kill();
    fs::copy(&copy, site.database()).unwrap();
    for name in ["countersign.db-wal", "countersign.db-shm"] {
        let _ = fs::remove_file(site.data_dir().join(name));
    }
    let before = fs::read(site.database()).unwrap();
    let (output, took) = finish(&mut site.serve_command(), PATIENCE);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("a copy that nobody accepted") && said.contains("countersign restore"));
    assert!(fs::read(site.database()).unwrap() == before, "untouched");
    // In its place, too, it can be accepted.
    let (code, said) = restore(&site, &["--accept"]);
    assert_eq!(code, 0, "{said}");
    site.serve().await;
}

/// A site whose copy is older than its store, which is stopped:
/// * `acme/ended`: version 1 active in the copy, ended by an emergency since;
/// * `acme/grace`: version 1 in its grace, version 2 active;
/// * `acme/gone`: deleted since;
/// * `acme/same`: nothing happened;
/// * `acme/new`: created since.
async fn outdated() -> Site {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    for name in ["acme/ended", "acme/grace", "acme/gone", "acme/same"] {
        create(&client, name).await;
    }
    let rotation = support::rotation("acme/grace", 86_400);
    client.rotate_secret(rotation).await.unwrap();
    for name in ["ops/stays", "ops/goes"] {
        let new = v1::CreateTokenRequest {
            name: name.to_owned(),
            grants: vec![v1::Grant {
                permissions: vec![v1::Permission::Verify.into()],
                pattern: "acme/*".to_owned(),
            }],
            ..Default::default()
        };
        client.create_token(new).await.unwrap();
    }
    back_up(&site, &running);
    client.revoke_token("ops/goes").await.unwrap();
    let emergency = support::emergency("acme/ended");
    client.rotate_secret(emergency).await.unwrap();
    client.delete_secret("acme/gone", true).await.unwrap();
    create(&client, "acme/new").await;
    running.kill();
    site
}

#[tokio::test]
async fn f31_without_accept_a_restore_lists_what_would_be_live_and_changes_nothing() {
    let site = outdated().await;
    let before = listing(&site);
    let (code, said) = restore(&site, &[]);
    assert_eq!(code, 1, "{said}");
    for (secret, version, words) in [
        ("acme/ended", "1", "ended: was ended since"),
        ("acme/grace", "1", "ended: was in its grace"),
        ("acme/grace", "2", "live"),
        ("acme/gone", "1", "ended: its secret was deleted since"),
        ("acme/same", "1", "live"),
    ] {
        let line = line(&said, secret, version);
        assert!(line.trim_end().ends_with(words), "{secret}: {said}");
    }
    let token = |name: &str| said.lines().find(|line| line.contains(name)).unwrap();
    assert!(token("ops/stays").trim_end().ends_with("valid"), "{said}");
    assert!(token("ops/goes").contains("was revoked since"), "{said}");
    assert!(said.contains("changes that the copy lacks"), "{said}");
    assert!(said.contains("repeat it with --accept"), "{said}");
    let names = |listing: &[(String, u64)]| -> Vec<String> {
        listing.iter().map(|(name, _)| name.clone()).collect()
    };
    let database = |listing: &[(String, u64)]| names(listing).contains(&"countersign.db".into());
    assert!(database(&before) && database(&listing(&site)));
    let running = site.serve().await;
    let client = site.client(&running).await;
    assert_eq!(
        states(&client, "acme/ended").await,
        [VersionState::Revoked, VersionState::Active]
    );
    assert!(client.get_secret("acme/new").await.is_ok());
}

#[tokio::test]
async fn f31_what_has_ended_stays_ended_and_the_old_store_is_kept() {
    let site = outdated().await;
    let (code, said) = restore(&site, &["--accept"]);
    assert_eq!(code, 0, "{said}");
    let kept = said
        .lines()
        .find_map(|line| line.split(" is kept: ").nth(1));
    let kept = PathBuf::from(kept.unwrap());
    let running = site.serve().await;
    let client = site.client(&running).await;
    use VersionState::{Active, Revoked};
    assert_eq!(states(&client, "acme/ended").await, [Revoked]);
    assert_eq!(states(&client, "acme/grace").await, [Revoked, Active]);
    assert_eq!(states(&client, "acme/gone").await, [Revoked]);
    assert_eq!(states(&client, "acme/same").await, [Active]);
    assert!(client.get_secret("acme/new").await.is_err());
    let tokens = client.list_tokens().await.unwrap();
    let revoked = |name: &str| {
        let token = tokens.iter().find(|token| token.name == name);
        token.unwrap().revoke_time.is_some()
    };
    assert!(revoked("ops/goes") && !revoked("ops/stays"));
    // A secret without a version that is live is repaired by a rotation.
    let rotation = support::rotation("acme/ended", 60);
    client.rotate_secret(rotation).await.unwrap();
    running.kill();
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let audit = "SELECT count(*) FROM audit WHERE method = 'Restore' AND detail LIKE '%versions ended: 3; tokens revoked: 1'";
    let written: u32 = database.query_row(audit, [], |row| row.get(0)).unwrap();
    assert_eq!(written, 1);
    // The store that was there opens under its old name.
    fs::remove_file(site.database()).unwrap();
    let _ = fs::remove_file(site.data_dir().join("countersign.db-wal"));
    fs::rename(kept, site.database()).unwrap();
    let running = site.serve().await;
    let client = site.client(&running).await;
    assert_eq!(states(&client, "acme/ended").await, [Revoked, Active]);
    assert!(client.get_secret("acme/new").await.is_ok());
}

#[tokio::test]
async fn f31_a_version_is_kept_by_name_but_not_one_that_was_ended() {
    let site = outdated().await;
    for (keep, words) in [
        ("acme/ended:1", "cannot be kept"),
        ("acme/same:7", "cannot be kept"),
        ("acme/other:1", "cannot be kept"),
    ] {
        let (code, said) = restore(&site, &["--accept", "--keep", keep]);
        assert_eq!(code, 64, "{said}");
        assert!(said.contains(words) && said.contains(keep), "{said}");
    }
    let kept = [
        "--accept",
        "--keep",
        "acme/grace:1",
        "--keep",
        "acme/gone:1",
    ];
    let (code, said) = restore(&site, &kept);
    assert_eq!(code, 0, "{said}");
    let running = site.serve().await;
    let client = site.client(&running).await;
    use VersionState::{Active, Grace};
    assert_eq!(states(&client, "acme/grace").await, [Grace, Active]);
    assert_eq!(states(&client, "acme/gone").await, [Active]);
}

#[tokio::test]
async fn a_copy_that_is_not_whole_or_not_of_this_key_is_refused_and_the_store_untouched() {
    let site = outdated().await;
    let copy = fs::read(site.path("copy")).unwrap();
    let mut flipped = copy.clone();
    // In the midst of the second page, which holds rows or a table's root.
    flipped[4096 + 8] ^= 0xff;
    for (bytes, code) in [
        (copy[..copy.len() / 2].to_vec(), 65),
        (Vec::new(), 65),
        (b"not a copy of anything".repeat(400), 65),
        (flipped, 65),
    ] {
        fs::write(site.path("copy"), bytes).unwrap();
        let (ended, said) = restore(&site, &["--accept"]);
        assert_eq!(ended, code, "{said}");
    }
    fs::write(site.path("copy"), &copy).unwrap();
    site.write("kek", &random_hex(), 0o600);
    let (code, said) = restore(&site, &["--accept"]);
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("not the one of this store"), "{said}");
    site.write("kek", &site.kek, 0o600);
    let running = site.serve().await;
    let (code, said) = restore(&site, &["--accept"]);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("another process"), "{said}");
    let client = site.client(&running).await;
    assert!(client.get_secret("acme/new").await.is_ok());
    assert!(fs::read(site.path("copy")).unwrap() == copy, "untouched");
}

#[tokio::test]
async fn an_unreadable_store_is_kept_aside_with_its_log() {
    let site = outdated().await;
    fs::write(site.database(), b"unreadable".repeat(1000)).unwrap();
    fs::write(site.data_dir().join("countersign.db-wal"), "a log").unwrap();
    let (code, said) = restore(&site, &["--accept"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("cannot be read"), "{said}");
    let running = site.serve().await;
    let client = site.client(&running).await;
    assert_eq!(
        states(&client, "acme/ended").await,
        [VersionState::Active],
        "nobody knows that it ended"
    );
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_old_store_or_the_new_one() {
    let mut ended = false;
    for hit in 1.. {
        let site = outdated().await;
        let mut killed = command();
        killed.arg("restore").arg(site.path("copy"));
        killed.arg("--config").arg(site.path("countersign.toml"));
        killed.arg("--accept");
        killed.env("FAILPOINT", format!("restore:kill@{hit}"));
        let (output, _) = finish(&mut killed, PATIENCE);
        ended |= output.status.success();
        let running = site.serve().await;
        let client = site.client(&running).await;
        let is_new = client.get_secret("acme/new").await.is_err();
        let expected: &[VersionState] = match is_new {
            true => &[VersionState::Revoked],
            false => &[VersionState::Revoked, VersionState::Active],
        };
        assert_eq!(states(&client, "acme/ended").await, expected, "{hit}");
        if ended {
            assert!(is_new && hit > 4, "{hit}");
            break;
        }
    }
}
