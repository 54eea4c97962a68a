//! A server that must not start ends within two seconds and says why in one clear line.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::Command,
    time::Duration,
};

use support::process::{PATIENCE, Site, command, finish};

mod support;

/// The exit code for a configuration that is wrong.
const CONFIGURATION: i32 = 64;
/// The exit code for a store that does not belong to this release and key, or is damaged.
const STORE: i32 = 65;
/// The exit code for a port or a data directory that cannot be had.
const UNAVAILABLE: i32 = 69;
const LIMIT: Duration = Duration::from_secs(2);

/// Runs a start that must be refused; answers what it wrote to standard error.
fn refusal(start: &mut Command, code: i32) -> String {
    let (output, took) = finish(start, 10 * LIMIT);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(took < LIMIT, "{took:?}: {said}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    said
}

/// Asserts that there is one line, and that it holds all these words and none of the secrets.
#[track_caller]
fn one_line(site: &Site, said: &str, words: &[&str]) {
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("error: ") && said.ends_with('\n'),
        "{said}"
    );
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(
        (site.token.is_empty() || !said.contains(&site.token)) && !said.contains(&site.kek),
        "{said}"
    );
}

#[track_caller]
fn refused(site: &Site, code: i32, words: &[&str]) {
    one_line(site, &refusal(&mut site.serve_command(), code), words);
}

/// Every file of the store with its bytes.
fn store(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(site.data_dir()).unwrap();
    files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

/// A site with a store that was closed in good order.
async fn with_store() -> Site {
    let site = Site::new();
    let mut running = site.serve().await;
    let client = site.client(&running).await;
    let new = support::new_secret("a/b", "chatwoot.identity");
    client.create_secret(new).await.unwrap();
    drop(client);
    running.signal("TERM");
    assert!(running.wait(PATIENCE).await.0.success());
    site
}

#[tokio::test]
async fn a23_a_wrong_kek_is_refused_and_the_data_untouched() {
    let site = with_store().await;
    let before = store(&site);
    site.write("kek", &support::process::random_hex(), 0o600);
    refused(
        &site,
        STORE,
        &["key-encryption key", "the data is untouched"],
    );
    assert_eq!(store(&site), before);
    site.write("kek", &site.kek, 0o600);
    let running = site.serve().await;
    assert!(site.client(&running).await.get_secret("a/b").await.is_ok());
}

#[tokio::test]
async fn f29_a_newer_schema_is_refused_and_the_data_untouched() {
    let site = with_store().await;
    let database = rusqlite::Connection::open(site.database()).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    drop(database);
    let before = store(&site);
    refused(&site, STORE, &["newer release", "the data is untouched"]);
    assert_eq!(store(&site), before);
}

#[tokio::test]
async fn a_damaged_or_foreign_database_is_refused() {
    let site = with_store().await;
    fs::write(
        site.database(),
        "not a database, but long enough for a header".repeat(100),
    )
    .unwrap();
    let said = refusal(&mut site.serve_command(), STORE);
    assert!(
        said.lines().last().unwrap().starts_with("error: "),
        "{said}"
    );

    let site = Site::without_store();
    fs::create_dir(site.data_dir()).unwrap();
    let database = rusqlite::Connection::open(site.database()).unwrap();
    database
        .execute_batch("CREATE TABLE other (id INTEGER)")
        .unwrap();
    drop(database);
    refused(&site, STORE, &["not a store of this service"]);
}

#[tokio::test]
async fn f09_a_second_process_on_the_same_store_is_refused_and_the_first_serves_on() {
    let site = Site::new();
    let running = site.serve().await;
    refused(
        &site,
        UNAVAILABLE,
        &["another process uses this data directory"],
    );
    assert!(site.client(&running).await.health().await.unwrap());
}

#[test]
fn a22_a_kek_that_others_may_read_is_refused() {
    for mode in [0o644, 0o640, 0o604, 0o660] {
        let site = Site::without_store();
        site.write("kek", &site.kek, mode);
        let mode = format!("(mode {mode:04o})");
        refused(
            &site,
            CONFIGURATION,
            &["key_encryption.key_file", &mode, "chmod 600"],
        );
        assert!(!site.data_dir().exists());
    }
}

#[test]
fn a22_a_kek_behind_a_symlink_is_refused() {
    let site = Site::new();
    fs::rename(site.path("kek"), site.path("elsewhere")).unwrap();
    symlink(site.path("elsewhere"), site.path("kek")).unwrap();
    refused(
        &site,
        CONFIGURATION,
        &["key_encryption.key_file", "is a symlink"],
    );
}

/// Only root may give files away; as any other user there is nothing to try.
#[test]
fn a22_a_kek_of_another_user_is_refused() {
    const NOBODY: u32 = 65_534;
    let site = Site::new();
    if chown(site.path("kek"), Some(NOBODY), None).is_err() {
        return;
    }
    let words = ["key_encryption.key_file", "belongs to another user"];
    refused(&site, CONFIGURATION, &words);
}

#[test]
fn a22_a_kek_that_is_not_a_key_is_refused_without_showing_it() {
    for wrong in ["", "00", &"0g".repeat(32), &"00".repeat(33)] {
        let site = Site::new();
        site.write("kek", wrong, 0o600);
        refused(
            &site,
            CONFIGURATION,
            &["key_encryption.key_file", "64 hex characters"],
        );
    }
}

#[test]
fn a23_a_missing_kek_is_refused_and_no_store_is_made() {
    let site = Site::without_store();
    fs::remove_file(site.path("kek")).unwrap();
    refused(
        &site,
        CONFIGURATION,
        &["key_encryption.key_file", "does not exist"],
    );
    assert!(!site.data_dir().exists());

    let text = without(&site, "key_encryption.key_file");
    site.write("countersign.toml", &text, 0o644);
    refused(
        &site,
        CONFIGURATION,
        &["key_encryption.key_file", "is missing"],
    );
    assert!(!site.data_dir().exists());
}

#[test]
fn a10_a_store_that_admits_nobody_is_not_served() {
    let site = Site::without_store();
    // Before it comes what the store is, as log lines.
    let said = refusal(&mut site.serve_command(), CONFIGURATION);
    let line = format!("{}\n", said.lines().last().unwrap());
    one_line(&site, &line, &["no token is valid", "countersign init"]);
}

/// The configuration without one of its lines.
fn without(site: &Site, key: &str) -> String {
    let text = site.configuration();
    let lines = text.lines().filter(|line| !line.starts_with(key));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a10_half_a_tls_configuration_is_refused() {
    for (half, other) in [
        ("certificate", "private_key"),
        ("private_key", "certificate"),
    ] {
        let site = Site::with(&format!("tls.{half} = \"/nowhere\"\n"));
        let missing = format!("tls.{other}: is missing");
        refused(&site, CONFIGURATION, &[&missing]);
    }
}

#[test]
fn a10_half_a_configuration_of_client_certificates_is_refused() {
    for (half, what) in [
        ("client_auth = \"optional\"", "client_auth"),
        ("client_crl = \"/nowhere\"", "client_crl"),
    ] {
        let site = Site::with(&format!("tls.{half}\n"));
        let key = format!("tls.{what}");
        refused(
            &site,
            CONFIGURATION,
            &[&key, "is set without tls.client_ca"],
        );
    }
    let site = Site::with("tls.client_ca = \"/nowhere\"\n");
    let words = ["tls.client_ca", "is set without tls.certificate"];
    refused(&site, CONFIGURATION, &words);
    let site = Site::with("tls.client_ca = \"\"\n");
    refused(&site, CONFIGURATION, &["tls.client_ca", "is empty"]);
}

#[test]
fn a10_t24_an_authority_file_with_anything_else_in_it_is_refused() {
    let authority = support::pki::Authority::new("clients");
    let pair = authority.issue(&["127.0.0.1"]);
    let site = Site::new();
    let path = |name| site.path(name);
    let tls = format!(
        "tls.certificate = {:?}\ntls.private_key = {:?}\ntls.client_ca = {:?}\n",
        path("tls.crt"),
        path("tls.key"),
        path("clients.crt")
    );
    site.write("countersign.toml", &(site.configuration() + &tls), 0o644);
    site.write("tls.crt", &pair.certificate, 0o644);
    site.write("tls.key", &pair.key, 0o600);
    for more in [
        &pair.key,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        site.write("clients.crt", &(authority.pem() + more), 0o600);
        refused(&site, CONFIGURATION, &["tls.client_ca"]);
    }
}

#[test]
fn a10_an_empty_path_is_refused() {
    let site = Site::with("tls.certificate = \"\"\n");
    refused(&site, CONFIGURATION, &["tls.certificate", "is empty"]);
}

#[test]
fn a09_a_listener_beyond_loopback_without_tls_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
        let site = Site::new();
        let said = refusal(
            site.serve_command().args(["--listen", address]),
            CONFIGURATION,
        );
        one_line(&site, &said, &["listen (from --listen)", "TLS is not set"]);
    }
}

#[test]
fn a09_dev_beyond_loopback_is_refused() {
    let site = Site::without_store();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
        let mut dev = command();
        dev.args(["dev", "--listen", address, "--data-dir"])
            .arg(site.data_dir());
        one_line(
            &site,
            &refusal(&mut dev, CONFIGURATION),
            &["listen", "loopback"],
        );
        assert!(!site.data_dir().exists());
    }
}

#[test]
fn a_port_in_use_is_refused_before_a_store_is_made() {
    let site = Site::without_store();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refusal(
        site.serve_command().args(["--listen", &address]),
        UNAVAILABLE,
    );
    one_line(&site, &said, &[&address, "cannot be listened on"]);
    assert!(!site.data_dir().exists());

    let mut dev = command();
    dev.args(["dev", "--listen", &address]);
    let said = refusal(&mut dev, UNAVAILABLE);
    one_line(&site, &said, &[&address, "cannot be listened on"]);
}

#[test]
fn all_problems_of_a_configuration_are_told_at_once() {
    let site = Site::with("liste = 1\nlimits.drain = \"soon\"\nlog.format = \"xml\"\n");
    site.write("kek", &site.kek, 0o644);
    let said = refusal(&mut site.serve_command(), CONFIGURATION);
    let keys = [
        "liste:",
        "limits.drain:",
        "log.format:",
        "key_encryption.key_file:",
    ];
    for key in keys {
        let lines = said.lines().filter(|line| line.contains(key));
        assert_eq!(lines.count(), 1, "{key} in: {said}");
    }
    assert_eq!(said.lines().count(), keys.len(), "{said}");

    let mut check = command();
    check
        .args(["config", "check", "--config"])
        .arg(site.path("countersign.toml"));
    assert_eq!(refusal(&mut check, CONFIGURATION), said);
}

#[test]
fn an_unknown_key_or_a_file_that_is_not_toml_is_refused_without_showing_it() {
    let site = Site::with("tokn = \"hunter2-hunter2\"\n");
    refused(&site, CONFIGURATION, &["tokn: is not a known key"]);

    site.write("countersign.toml", "token = hunter2-hunter2", 0o644);
    let said = refusal(&mut site.serve_command(), CONFIGURATION);
    assert!(said.contains("line 1: is not TOML"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_data_directory_that_cannot_be_used_is_refused() {
    let site = Site::without_store();
    fs::write(site.data_dir(), "a file").unwrap();
    // Before it comes what the system said, as a log line.
    let said = refusal(&mut site.serve_command(), UNAVAILABLE);
    let line = format!("{}\n", said.lines().last().unwrap());
    one_line(&site, &line, &["the data directory cannot be used"]);
    let mode = fs::metadata(site.data_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "it was left as it was");
}
