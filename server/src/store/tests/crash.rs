use std::{
    env,
    io::{BufRead, BufReader, Write, stdout},
    process::{Command, Stdio},
};

use super::*;

const DIR: &str = "COUNTERSIGN_TEST_CRASH_DIR";
const CYCLES: usize = 8;

async fn nth(bench: &Bench, n: usize) -> Vec<u8> {
    let next = rotation("acme/chat", Ending::Emergency, &format!("key {n}"));
    bench.rotate(&format!("r-{n}"), next).await.unwrap()
}

/// Starts this test binary again as a process that rotates without end, and kills it after some answers.
fn rotate_and_die(dir: &Path, answers: usize) -> usize {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "store::tests::crash::rotates_until_it_is_killed",
        ])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    for line in lines
        .map_while(Result::ok)
        .filter(|line| line.starts_with("ack "))
        .take(answers)
    {
        last = line["ack ".len()..].parse().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

#[tokio::test]
#[ignore = "the child process of the test below"]
async fn rotates_until_it_is_killed() {
    let Ok(dir) = env::var(DIR) else { return };
    let opened = Store::open(options(Path::new(&dir), &Clock::manual(START)), |_| {}).unwrap();
    let first = opened.records[0].versions.len() + 1;
    for n in first.. {
        let next = rotation("acme/chat", Ending::Emergency, &format!("key {n}"));
        let request = request(&format!("r-{n}"), "rotate");
        opened
            .store
            .rotate(caller(), request, next, answer)
            .await
            .unwrap();
        writeln!(stdout(), "ack {n}").unwrap();
    }
}

#[tokio::test]
async fn f01_a_killed_process_loses_no_acknowledged_change_and_halves_none() {
    let mut bench = Bench::new();
    bench.create("acme/chat", key("key 1")).await.unwrap();
    for cycle in 1..=CYCLES {
        let Bench { dir, store, .. } = bench;
        store.close();
        let acknowledged = rotate_and_die(dir.path(), cycle);
        bench = Bench::open(dir, START);
        assert!(bench.corrupt.is_empty() && acknowledged > 0);
        let versions = bench.record("acme/chat").versions.len();
        assert!(
            versions >= acknowledged,
            "{versions} versions, {acknowledged} acknowledged"
        );
        let audit = bench.store.audit_rows(0, u32::MAX).await.unwrap();
        assert_eq!(audit.last().unwrap().n, audit.len() as u64);
        assert_eq!(audit.len(), versions);
        // The retry of the change in flight finds it or makes it, once.
        let (one, two) = (nth(&bench, versions).await, nth(&bench, versions).await);
        assert_eq!(one, two);
        assert_eq!(bench.record("acme/chat").versions.len(), versions);
    }
}
