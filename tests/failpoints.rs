//! The program dies, fails or waits at every named step of a change. Whatever the step, a change is there or it is not,
//! and a retry with the same request id gives its one result.

use std::time::{Duration, Instant};

use countersign_client::{Client, Code, Error, v1};
use support::process::{PATIENCE, Running, Site};

mod support;

/// The steps of a change, in order.
const STEPS: [&str; 6] = [
    "before-begin",
    "after-version",
    "after-audit",
    "before-commit",
    "after-commit",
    "after-publish",
];
/// The first step at which the change is in the store for good.
const COMMITTED: &str = "after-commit";
const NAME: &str = "acme/chat";

/// A change that is sent, and sent again.
#[derive(Clone)]
enum Change {
    Create(v1::CreateSecretRequest),
    Rotate(v1::RotateSecretRequest),
    Delete,
}

impl Change {
    async fn send(&self, client: &Client) -> Result<(u32, String), Error> {
        match self.clone() {
            Self::Create(request) => {
                let answer = client.create_secret(request).await?;
                Ok((answer.version, answer.revealed_key))
            }
            Self::Rotate(request) => {
                let answer = client.rotate_secret(request).await?;
                Ok((answer.version, answer.revealed_key))
            }
            Self::Delete => {
                client.delete_secret(NAME, true).await?;
                Ok((0, String::new()))
            }
        }
    }

    /// Sends it until it is answered: a disk that is busy with something else may take longer than a call may.
    async fn send_until_answered(&self, client: &Client) -> Result<(u32, String), Error> {
        let mut is_repeated = false;
        loop {
            let answer = self.send(client).await;
            match answer.as_ref().map_err(Error::code) {
                Err(Some(Code::DeadlineExceeded)) => is_repeated = true,
                // It was made meanwhile.
                Err(Some(Code::FailedPrecondition)) if is_repeated => {
                    return Ok((0, String::new()));
                }
                _ => return answer,
            }
        }
    }

    /// How many versions the secret has once the change is made; none if it is not there.
    fn versions_after(&self) -> usize {
        match self {
            Self::Create(_) => 1,
            Self::Rotate(_) => 2,
            Self::Delete => 0,
        }
    }

    fn versions_before(&self) -> usize {
        match self {
            Self::Create(_) => 0,
            Self::Rotate(_) | Self::Delete => 1,
        }
    }
}

/// A site with a secret that stays, and with the one that is to change if it must be there.
async fn site(change: &Change) -> Site {
    let site = Site::new();
    let running = site.serve().await;
    let client = site.client(&running).await;
    let stays = support::new_secret("acme/stays", "chatwoot.identity");
    client.create_secret(stays).await.unwrap();
    if change.versions_before() > 0 {
        let new = support::new_secret(NAME, "chatwoot.identity");
        client.create_secret(new).await.unwrap();
    }
    running.kill();
    site
}

async fn armed(site: &Site, failpoint: &str) -> (Running, Client) {
    let mut running = site.spawn_armed(failpoint);
    assert!(running.serves_or_ends().await, "{}", site.log());
    let client = site.client(&running).await;
    (running, client)
}

async fn versions(client: &Client) -> usize {
    match client.get_secret(NAME).await {
        Ok(secret) => secret.versions.len(),
        Err(error) => {
            assert_eq!(error.code(), Some(Code::NotFound));
            0
        }
    }
}

async fn signs(client: &Client) {
    let request = v1::SignRequest {
        secret: "acme/stays".to_owned(),
        input: Some(v1::sign_request::Input::Identity(support::user("user-42"))),
        ttl: None,
    };
    client.sign(request).await.unwrap();
}

/// The change is there whole or not at all, and sending it again gives its one result.
async fn settles(site: &Site, change: &Change, step: &str, told: &str) {
    let running = site.serve().await;
    let client = site.client(&running).await;
    let is_committed = STEPS.iter().position(|each| *each == step)
        >= STEPS.iter().position(|each| *each == COMMITTED);
    let expected = match is_committed {
        true => change.versions_after(),
        false => change.versions_before(),
    };
    assert_eq!(versions(&client).await, expected, "{told}");
    if matches!(change, Change::Delete) && is_committed {
        let gone = change.send(&client).await.unwrap_err();
        assert_eq!(gone.code(), Some(Code::FailedPrecondition), "{told}");
    } else {
        let first = change.send(&client).await.unwrap();
        if !matches!(change, Change::Delete) {
            assert_eq!(change.send(&client).await.unwrap(), first, "{told}");
        }
    }
    assert_eq!(versions(&client).await, change.versions_after(), "{told}");
    signs(&client).await;
    running.kill();
    whole(site, told);
}

/// Nothing in the database is half there.
fn whole(site: &Site, told: &str) {
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let check: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok", "{told}");
    for half in [
        "SELECT count(*) FROM secrets WHERE (delete_time IS NULL) != EXISTS (
           SELECT 1 FROM data_keys WHERE secret_id = secrets.id)",
        "SELECT count(*) FROM versions JOIN secrets ON secrets.id = secret_id
         WHERE (delete_time IS NULL) != (sealed_key IS NOT NULL)",
        "SELECT count(*) FROM versions JOIN secrets ON secrets.id = secret_id WHERE 1 != (
           SELECT count(*) FROM audit WHERE method IN ('CreateSecret', 'RotateSecret') AND outcome = 'OK'
           AND subject = secrets.name AND audit.version = versions.number)",
        "SELECT count(*) FROM versions WHERE 1 != (
           SELECT count(*) FROM requests
           WHERE requests.secret_id = versions.secret_id AND requests.version = versions.number)",
    ] {
        let count: i64 = database.query_row(half, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{told}: {half}");
    }
}

/// Dies at each step.
async fn survives_kills(change: Change) {
    for step in STEPS {
        let site = site(&change).await;
        let (mut running, client) = armed(&site, &format!("{step}:kill")).await;
        let lost = change.send(&client).await;
        assert!(lost.is_err(), "{step}");
        running.wait(PATIENCE).await;
        settles(&site, &change, step, &format!("killed {step}")).await;
    }
}

/// The disk fails at each step: the caller is told, the data plane goes on, nothing more is written before the store
/// is opened anew.
async fn survives_errors(change: Change) {
    for step in STEPS {
        let site = site(&change).await;
        let (mut running, client) = armed(&site, &format!("{step}:error")).await;
        let failed = change.send(&client).await.unwrap_err();
        assert_eq!(failed.code(), Some(Code::Unavailable), "{step}");
        signs(&client).await;
        let other = support::new_secret("acme/other", "chatwoot.identity");
        let refused = client.create_secret(other).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::Unavailable), "{step}");
        running.signal("TERM");
        assert!(running.wait(PATIENCE).await.0.success());
        settles(&site, &change, step, &format!("failed {step}")).await;
    }
}

/// The writer waits at each step, and nobody else does.
async fn survives_delays(change: Change) {
    for step in STEPS {
        let site = site(&change).await;
        let (running, client) = armed(&site, &format!("{step}:delay")).await;
        let begin = Instant::now();
        let (slow, mut calls) = (client.clone(), 0);
        let sent = change.clone();
        let slow = tokio::spawn(async move { sent.send_until_answered(&slow).await });
        while !slow.is_finished() {
            let call = Instant::now();
            signs(&client).await;
            assert!(call.elapsed() < Duration::from_millis(500), "{step}");
            calls += 1;
        }
        let first = slow.await.unwrap().unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(600), "{step}");
        assert!(calls > 3, "{step}: the data plane stood still");
        if !matches!(change, Change::Delete) {
            let again = change.send_until_answered(&client).await.unwrap();
            assert_eq!(again, first, "{step}");
        }
        assert_eq!(versions(&client).await, change.versions_after());
        running.kill();
        whole(&site, step);
    }
}

fn create() -> Change {
    Change::Create(support::new_secret(NAME, "chatwoot.identity"))
}

fn rotate() -> Change {
    Change::Rotate(support::rotation(NAME, 86_400))
}

fn emergency() -> Change {
    Change::Rotate(support::emergency(NAME))
}

#[tokio::test]
async fn f02_a_creation_killed_at_any_step_is_made_once() {
    survives_kills(create()).await;
}

#[tokio::test]
async fn f02_a_rotation_killed_at_any_step_is_made_once() {
    survives_kills(rotate()).await;
}

#[tokio::test]
async fn f02_an_emergency_killed_at_any_step_is_made_once() {
    survives_kills(emergency()).await;
}

#[tokio::test]
async fn f02_a_deletion_killed_at_any_step_is_made_or_not_begun() {
    survives_kills(Change::Delete).await;
}

#[tokio::test]
async fn f08_f39_a_disk_that_fails_at_any_step_of_a_creation_or_rotation_leaves_one_result() {
    survives_errors(create()).await;
    survives_errors(rotate()).await;
}

#[tokio::test]
async fn f08_f39_a_disk_that_fails_at_any_step_of_an_emergency_or_deletion_leaves_one_result() {
    survives_errors(emergency()).await;
    survives_errors(Change::Delete).await;
}

#[tokio::test]
async fn f24_a_disk_that_is_slow_at_any_step_of_a_creation_or_rotation_slows_nobody_else() {
    survives_delays(create()).await;
    survives_delays(rotate()).await;
}

#[tokio::test]
async fn f24_a_disk_that_is_slow_at_any_step_of_an_emergency_or_deletion_slows_nobody_else() {
    survives_delays(emergency()).await;
    survives_delays(Change::Delete).await;
}
