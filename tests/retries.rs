//! A request that is repeated has one result, through crashes too; and a key is dead when the emergency rotation that
//! ends it answers.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_client::{Check, Client, v1};
use support::process::Site;
use v1::{RotateSecretRequest, RotateSecretResponse, VerifyRequest, verify_request::Proof};

mod support;

const ROTATIONS: u32 = 200;
const RETRIES: usize = 100;
/// Rotations between two kills of the process.
const KILL_EVERY: u32 = 20;

/// Sends one request many times at once; answers the answers that came.
async fn send_all(client: &Client, request: &RotateSecretRequest) -> Vec<RotateSecretResponse> {
    let mut tasks = Vec::new();
    for _ in 0..RETRIES {
        let (client, request) = (client.clone(), request.clone());
        tasks.push(tokio::spawn(async move {
            client.rotate_secret(request).await.ok()
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    answers
}

/// What a retry must answer alike: the version, its key and the ends of all graces.
fn result(answer: &RotateSecretResponse) -> (u32, String, String) {
    let versions = &answer.secret.as_ref().unwrap().versions;
    let ends: Vec<_> = versions
        .iter()
        .map(|version| version.grace_end_time)
        .collect();
    (
        answer.version,
        answer.revealed_key.clone(),
        format!("{ends:?}"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_a_hundred_retries_at_once_make_one_version_through_crashes_too() {
    let site = Site::new();
    let mut running = site.serve().await;
    let mut client = site.client(&running).await;
    let mut kills = 0;
    let mut answered = 0;
    for number in 0..ROTATIONS {
        // A new secret now and then, for its versions are in every answer.
        let name = format!("a/s{}", number / 25);
        if number % 25 == 0 {
            let new = support::new_secret(&name, "chatwoot.identity");
            client.create_secret(new).await.unwrap();
        }
        let request = match number % 4 {
            3 => support::rotation(&name, 3600),
            _ => support::emergency(&name),
        };
        let mut answers = Vec::new();
        if number % KILL_EVERY == KILL_EVERY - 1 {
            let crowd = tokio::spawn({
                let (client, request) = (client.clone(), request.clone());
                async move { send_all(&client, &request).await }
            });
            tokio::time::sleep(Duration::from_millis(u64::from(number) / 20)).await;
            running.kill();
            kills += 1;
            answers.extend(crowd.await.unwrap());
            running = site.serve().await;
            client = site.client(&running).await;
        }
        let whole = send_all(&client, &request).await;
        assert_eq!(whole.len(), RETRIES, "every retry is answered");
        answers.extend(whole);
        answered += answers.len();
        let results: BTreeSet<_> = answers.iter().map(result).collect();
        assert_eq!(results.len(), 1, "rotation {number}");
        assert_eq!(answers[0].version, number % 25 + 2);
    }
    running.kill();
    let database = rusqlite::Connection::open(site.database()).unwrap();
    let rows = |sql: &str| -> u32 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    let created = ROTATIONS / 25;
    assert_eq!(rows("SELECT count(*) FROM versions"), ROTATIONS + created);
    assert_eq!(
        rows("SELECT count(*) FROM audit WHERE version > 0"),
        ROTATIONS + created
    );
    assert_eq!(rows("SELECT count(*) FROM requests"), ROTATIONS + created);
    eprintln!("{ROTATIONS} rotations, {answered} equal answers, {kills} kills");
}

/// The most checks of one call.
const BATCH: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proof_of_a_dead_key_is_accepted_after_the_answer_to_its_emergency_rotation() {
    const ROUNDS: usize = 25;
    // As fast as it can: what is shed tells nothing of keys.
    let rates =
        "limits.caller_calls_per_second = 1000000\nlimits.namespace_calls_per_second = 1000000\n";
    let site = Site::with(rates);
    let running = site.serve().await;
    let client = site.client(&running).await;
    let new = support::new_secret("a/b", "chatwoot.identity");
    client.create_secret(new).await.unwrap();
    let (mut checked, mut latest) = (0, Duration::ZERO);
    for _ in 0..ROUNDS {
        let user = countersign_client::Identity::new("user-42");
        let signed = client.sign_identity("a/b", user, None).await.unwrap();
        let proof = signed.proof.as_str().to_owned();
        // Others verify all the while, from before the rotation until well after its answer.
        let dead = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut verifying = Vec::new();
        for _ in 0..4 {
            let client = site.client(&running).await;
            let (proof, dead, accepted) = (proof.clone(), dead.clone(), accepted.clone());
            verifying.push(tokio::spawn(async move {
                let mut after = 0;
                while after < BATCH {
                    // Only a call that began after the answer counts.
                    let began_dead = dead.load(Ordering::SeqCst);
                    let verdicts = client.batch_verify(checks(&proof, 200)).await.unwrap();
                    let verified = verdicts
                        .iter()
                        .flatten()
                        .filter(|verdict| verdict.is_verified());
                    match (began_dead, verified.count()) {
                        (true, verified) => {
                            assert_eq!(verified, 0, "a dead key was accepted");
                            after += verdicts.len();
                        }
                        (false, verified) => {
                            accepted.fetch_add(verified, Ordering::SeqCst);
                        }
                    }
                }
                after
            }));
        }
        while accepted.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let begin = Instant::now();
        client
            .rotate_secret(support::emergency("a/b"))
            .await
            .unwrap();
        latest = latest.max(begin.elapsed());
        dead.store(true, Ordering::SeqCst);
        for task in verifying {
            checked += task.await.unwrap();
        }
    }
    eprintln!(
        "{ROUNDS} emergencies, {checked} checks after their answers, slowest answer {latest:.0?}"
    );
    assert!(checked >= 100_000);
}

fn checks(proof: &str, count: usize) -> Vec<Check> {
    let request = VerifyRequest {
        secret: "a/b".to_owned(),
        claimed: Some(support::user("user-42")),
        proof: Some(Proof::Hash(proof.to_owned())),
    };
    vec![Check::Identity(request); count]
}
