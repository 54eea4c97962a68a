use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::*;

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The text as it may stand in a file; base64 in each of its three alignments, without the ends that depend on
/// their neighbours.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut all = vec![
        bytes.to_vec(),
        hex::encode(bytes).into_bytes(),
        hex::encode_upper(bytes).into_bytes(),
    ];
    for skip in 0..3 {
        let whole = (bytes.len() - skip) / 3 * 3;
        all.push(
            STANDARD_NO_PAD
                .encode(&bytes[skip..skip + whole])
                .into_bytes(),
        );
    }
    all
}

fn files(bench: &Bench) -> Vec<u8> {
    let entries = std::fs::read_dir(bench.dir.path()).unwrap();
    entries
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

#[tokio::test]
async fn a24_no_key_and_no_answer_can_be_read_from_the_files() {
    let bench = Bench::new();
    let canaries: Vec<_> = (0..20)
        .map(|n| format!("canary-{n:02}-of-this-store-{n:02}"))
        .collect();
    for (n, canary) in canaries.iter().enumerate() {
        let text = format!("acme/s{n}");
        bench.create(&text, key(canary)).await.unwrap();
        let next = format!("{canary}-next");
        bench
            .rotate(
                &format!("r-{n}"),
                rotation(&text, Ending::Grace(HOUR), &next),
            )
            .await
            .unwrap();
    }
    bench
        .store
        .delete(caller(), name("acme/s0"), true)
        .await
        .unwrap();
    bench.later(DAY);
    bench.store.sweep().await.unwrap();
    let open = files(&bench);
    assert!(contains(&open, b"acme/s7"), "the files were read");
    let bench = bench.reopened();
    for bytes in [open, files(&bench)] {
        for encoded in canaries.iter().flat_map(|canary| encodings(canary)) {
            assert!(!contains(&bytes, &encoded));
        }
        assert!(!contains(&bytes, &[1; 32]), "the key-encryption key");
    }
}

#[tokio::test]
async fn what_is_deleted_leaves_not_even_its_sealed_text_in_the_files() {
    let bench = Bench::new();
    bench.create("acme/chat", key("key a")).await.unwrap();
    let read = |sql: &'static str| {
        bench.store.submit(move |writer: &mut Writer| {
            writer.read(|connection| connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)))
        })
    };
    let sealed = read("SELECT sealed_key FROM versions").await.unwrap();
    let answer = read("SELECT answer FROM requests").await.unwrap();
    assert!(contains(&files(&bench), &sealed) && contains(&files(&bench), &answer[..100]));
    bench
        .store
        .delete(caller(), name("acme/chat"), true)
        .await
        .unwrap();
    assert!(!contains(&files(&bench), &sealed) && !contains(&files(&bench), &answer[..100]));
}

#[tokio::test]
async fn a24_equal_keys_and_equal_answers_do_not_look_equal() {
    let (one, two) = (Bench::new(), Bench::new());
    let mut fingerprints = Vec::new();
    for bench in [&one, &two] {
        bench.create("acme/chat", key("key a")).await.unwrap();
        let sql = "SELECT fingerprint FROM versions";
        let work = move |writer: &mut Writer| {
            writer.read(|connection| connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)))
        };
        fingerprints.push(bench.store.submit(work).await.unwrap());
    }
    assert_ne!(fingerprints[0], fingerprints[1]);
    assert_ne!(
        one.store.fingerprint(&[b"x"]),
        two.store.fingerprint(&[b"x"])
    );
}

#[test]
fn debug_of_what_holds_a_key_shows_no_byte_of_it() {
    let canary = "canary-in-debug";
    let new = secret("acme/chat", SCHEME, key(canary));
    let rotate = rotation("acme/chat", Ending::Emergency, canary);
    let options = options(Path::new("data"), &Clock::manual(START));
    let text = format!("{new:?} {rotate:?} {options:?}");
    assert!(!text.contains(canary) && !text.contains("99, 97, 110") && !text.contains("[1, 1"));
}
