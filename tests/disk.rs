//! The disk under the program is full, breaks or cannot be written: what was acknowledged is there, nothing is half
//! done, and the data plane goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use countersign_client::{Client, Code, v1};
use support::process::{PATIENCE, Running, Site, finish};
use v1::VersionState;

mod support;

const SCHEME: &str = "chatwoot.identity";
/// Stands between the program and its disk: counts what is forced to the disk, and fails as it is told.
const SHIM: &str = include_str!("support/disk.c");

async fn create(client: &Client, name: &str) -> Result<String, Code> {
    let created = client.create_secret(support::new_secret(name, SCHEME));
    match created.await {
        Ok(answer) => Ok(answer.revealed_key),
        Err(error) => Err(error.code().unwrap()),
    }
}

async fn signs(client: &Client, name: &str) {
    let request = v1::SignRequest {
        secret: name.to_owned(),
        input: Some(v1::sign_request::Input::Identity(support::user("user-42"))),
        ttl: None,
    };
    client.sign(request).await.unwrap();
}

async fn states(client: &Client, name: &str) -> Vec<VersionState> {
    let secret = client.get_secret(name).await.unwrap();
    secret.versions.iter().map(v1::Version::state).collect()
}

/// Puts garbage in the place of every page of a table that holds this text.
fn damage(database: &Path, text: &[u8]) {
    const PAGE_BYTES: usize = 4096;
    const LEAF_OF_A_TABLE: u8 = 0x0d;
    let mut file = fs::read(database).unwrap();
    let mut damaged = 0;
    for page in file.chunks_mut(PAGE_BYTES).skip(1) {
        if page[0] == LEAF_OF_A_TABLE && page.windows(text.len()).any(|bytes| bytes == text) {
            page.fill(0x5a);
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    fs::write(database, file).unwrap();
}

#[tokio::test]
async fn f04_a_damaged_file_is_refused_and_served_without_what_is_hit_where_that_is_asked_for() {
    let site = Site::new();
    let mut running = site.serve().await;
    let client = site.client(&running).await;
    for number in 0..80 {
        create(&client, &format!("acme/s{number:02}"))
            .await
            .unwrap();
    }
    running.signal("TERM");
    running.wait(PATIENCE).await;
    damage(&site.database(), b"acme/s05");

    let (refused, _) = finish(&mut site.serve_command(), PATIENCE);
    assert_eq!(refused.status.code(), Some(65));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("serve --degraded"), "{said}");

    let before = fs::read(site.database()).unwrap();
    let mut degraded = site.serve_command();
    degraded.arg("--degraded");
    let mut running = Running::spawn(degraded, &site.path("log"));
    running.until_logged();
    running.until_serving().await;
    let client = site.client(&running).await;
    signs(&client, "acme/s79").await;
    assert!(client.get_secret("acme/s79").await.is_ok());
    let hit = client.get_secret("acme/s05").await.unwrap_err();
    assert_eq!(hit.code(), Some(Code::DataLoss));
    assert_eq!(create(&client, "acme/new").await, Err(Code::Unavailable));
    running.signal("TERM");
    running.wait(PATIENCE).await;
    let named = |line: &str| line.contains("does not serve") && line.contains("\"acme/s05\"");
    assert!(site.log().lines().any(named), "{}", site.log());
    assert_eq!(fs::read(site.database()).unwrap(), before);
}

/// A program on a small disk of its own. When its standard input ends, it is stopped and its store copied to `out`.
fn on_small_disk(site: &Site, size: &str) -> Running {
    let script = r#"
        mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$2" || exit 99
        data=$2 out=$3 token=$4 configuration=$5 program=$6; shift 6
        "$program" init --config "$configuration" --out "$token" || exit 98
        "$program" "$@" & server=$!
        cat > /dev/null
        kill -TERM $server; wait $server
        cp "$data"/countersign.db* "$out"
    "#;
    fs::create_dir_all(site.data_dir()).unwrap();
    fs::create_dir_all(site.path("out")).unwrap();
    let serve = site.serve_command();
    let mut command = Command::new("unshare");
    // A process namespace, so that all of it ends with the test.
    command.args([
        "-rmp",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        script,
        "sh",
        size,
    ]);
    command.arg(site.data_dir()).arg(site.path("out"));
    command
        .arg(site.path("token"))
        .arg(site.path("countersign.toml"));
    command.arg(serve.get_program()).args(serve.get_args());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::piped());
    Running::spawn(command, &site.path("log"))
}

/// Nothing in a database is half there.
fn whole(database: &Path) {
    let database = rusqlite::Connection::open(database).unwrap();
    let check: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    for half in [
        "SELECT count(*) FROM secrets WHERE (delete_time IS NULL) != EXISTS (
           SELECT 1 FROM data_keys WHERE secret_id = secrets.id)",
        "SELECT count(*) FROM secrets WHERE delete_time IS NULL AND NOT EXISTS (
           SELECT 1 FROM versions WHERE secret_id = secrets.id)",
        "SELECT count(*) FROM versions WHERE 1 != (
           SELECT count(*) FROM requests
           WHERE requests.secret_id = versions.secret_id AND requests.version = versions.number)",
    ] {
        let count: i64 = database.query_row(half, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{half}");
    }
}

#[tokio::test]
async fn f06_f07_on_a_full_disk_reads_go_on_and_an_emergency_finds_room() {
    let mut site = Site::without_store();
    let configuration = site.configuration() + "limits.ballast_bytes = 131072\n";
    site.write("countersign.toml", &configuration, 0o644);
    let mut running = on_small_disk(&site, "600k");
    assert!(
        running.serves_or_ends().await,
        "no disk could be mounted (unshare -rm, mount -t tmpfs): {}",
        site.log()
    );
    site.token = fs::read_to_string(site.path("token"))
        .unwrap()
        .trim()
        .to_owned();
    let client = site.client(&running).await;
    let mut names = Vec::new();
    let mut refused = 0;
    // Until it is refused again and again: a refusal empties the log, which makes a little room.
    while refused < 3 {
        let name = format!("acme/s{}", names.len());
        match create(&client, &name).await {
            Ok(_) => {
                names.push(name);
                refused = 0;
            }
            Err(code) => {
                assert_eq!(code, Code::ResourceExhausted);
                refused += 1;
            }
        }
        assert!(names.len() < 1000, "the disk has no end");
    }
    assert!(names.len() > 5, "{}", names.len());
    for name in &names {
        signs(&client, name).await;
    }
    // Each of the three needs room and has it; each ends what it says.
    let emergency = support::emergency(&names[0]);
    client.rotate_secret(emergency).await.unwrap();
    client.revoke_version(&names[1], 1, true).await.unwrap();
    use VersionState::{Active, Revoked};
    assert_eq!(states(&client, &names[0]).await, [Revoked, Active]);
    assert_eq!(states(&client, &names[1]).await, [Revoked]);
    assert!(site.log().contains("the ballast is removed"));
    for name in names.drain(2..).collect::<Vec<_>>() {
        client.delete_secret(&name, true).await.unwrap();
    }
    // There is room again, and the same process takes changes.
    create(&client, "acme/after").await.unwrap();
    let listed = client.list_secrets("").await.unwrap().len();
    assert_eq!(listed, 3);
    drop(client);
    running.close_stdin();
    running.wait(PATIENCE).await;
    let mut elsewhere = Site::without_store();
    elsewhere.write("kek", &site.kek, 0o600);
    elsewhere.token.clone_from(&site.token);
    fs::rename(site.path("out"), elsewhere.data_dir()).unwrap();
    whole(&elsewhere.database());
    let running = elsewhere.serve().await;
    let client = elsewhere.client(&running).await;
    assert_eq!(client.list_secrets("").await.unwrap().len(), listed);
    assert_eq!(states(&client, "acme/s0").await, [Revoked, Active]);
}

#[test]
fn f08_a_disk_that_cannot_be_written_is_refused_at_the_start() {
    let site = Site::without_store();
    fs::create_dir_all(site.data_dir()).unwrap();
    let script = "mount -t tmpfs -o ro tmpfs \"$1\" || exit 99; shift; exec \"$@\"";
    let serve = site.serve_command();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]);
    command.arg(site.data_dir()).arg(serve.get_program());
    command.args(serve.get_args());
    let (output, took) = finish(&mut command, PATIENCE);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(said.contains("the data directory cannot be used"), "{said}");
}

/// The program with the shim before its disk.
struct Shimmed {
    site: Site,
    library: PathBuf,
}

impl Shimmed {
    fn new() -> Self {
        let site = Site::new();
        let source = site.path("disk.c");
        fs::write(&source, SHIM).unwrap();
        let library = site.path("disk.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status();
        assert!(
            compiled.is_ok_and(|status| status.success()),
            "the C compiler, which the build needs too, must be there"
        );
        fs::write(site.path("synced"), "").unwrap();
        Self { site, library }
    }

    async fn serve(&self) -> Running {
        let path = |name: &str| self.site.path(name).to_str().unwrap().to_owned();
        let mut running = self.site.spawn_with(&[
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("DISK_SYNCED", &path("synced")),
            ("DISK_FAULT", &path("fault")),
        ]);
        assert!(running.serves_or_ends().await, "{}", self.site.log());
        running
    }

    /// How often something was forced to the disk.
    fn synced(&self) -> u64 {
        fs::metadata(self.site.path("synced")).unwrap().len()
    }

    /// What the disk does from now on: `sync` fails on a sync, `write` on a write, `readonly` and `full` too.
    fn breaks(&self, fault: &str) {
        fs::write(self.site.path("fault"), fault).unwrap();
    }

    fn is_repaired(&self) {
        fs::remove_file(self.site.path("fault")).unwrap();
    }
}

#[tokio::test]
async fn f03_every_acknowledged_change_was_forced_to_the_disk_before() {
    const CHANGES: u64 = 100;
    let shimmed = Shimmed::new();
    let running = shimmed.serve().await;
    let client = shimmed.site.client(&running).await;
    let begin = shimmed.synced();
    for number in 0..CHANGES {
        let before = shimmed.synced();
        create(&client, &format!("acme/s{number}")).await.unwrap();
        assert!(shimmed.synced() > before, "change {number}");
    }
    let synced = shimmed.synced() - begin;
    assert!(synced >= CHANGES, "{synced}");
    eprintln!("{synced} syncs for {CHANGES} changes");
}

#[tokio::test]
async fn f08_a_disk_that_fails_is_not_trusted_again_by_the_same_process() {
    for fault in ["sync", "write", "readonly"] {
        let shimmed = Shimmed::new();
        let running = shimmed.serve().await;
        let client = shimmed.site.client(&running).await;
        create(&client, "acme/before").await.unwrap();
        shimmed.breaks(fault);
        let unheard = support::new_secret("acme/unheard", SCHEME);
        let failed = client.create_secret(unheard.clone()).await.unwrap_err();
        assert_eq!(failed.code(), Some(Code::Unavailable), "{fault}");
        signs(&client, "acme/before").await;
        shimmed.is_repaired();
        let refused = create(&client, "acme/other").await;
        assert_eq!(refused, Err(Code::Unavailable), "{fault}");
        signs(&client, "acme/before").await;
        assert!(shimmed.site.log().contains("the store failed"), "{fault}");
        running.kill();
        // Whether the unheard one was made or not, it is one secret with one version.
        let running = shimmed.serve().await;
        let client = shimmed.site.client(&running).await;
        signs(&client, "acme/before").await;
        let first = client.create_secret(unheard.clone()).await.unwrap();
        let again = client.create_secret(unheard).await.unwrap();
        assert_eq!(first.revealed_key, again.revealed_key, "{fault}");
        assert_eq!(
            states(&client, "acme/unheard").await,
            [VersionState::Active]
        );
        running.kill();
        whole(&shimmed.site.database());
    }
}

#[tokio::test]
async fn f06_a_disk_that_is_full_for_a_while_is_written_again_by_the_same_process() {
    let shimmed = Shimmed::new();
    let running = shimmed.serve().await;
    let client = shimmed.site.client(&running).await;
    create(&client, "acme/before").await.unwrap();
    shimmed.breaks("full");
    for number in 0..3 {
        let refused = create(&client, &format!("acme/s{number}")).await;
        assert_eq!(refused, Err(Code::ResourceExhausted));
        signs(&client, "acme/before").await;
    }
    shimmed.is_repaired();
    for number in 0..3 {
        create(&client, &format!("acme/s{number}")).await.unwrap();
    }
    running.kill();
    whole(&shimmed.site.database());
}
