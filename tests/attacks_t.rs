//! Table T: what HTTP/2 lets a peer do to a server. Beside each attack a well-behaved client makes a hundred calls a
//! second and must not notice; the attacker's connection is closed.

use std::time::Duration;

use countersign_server::{Config, Limits, Patience};
use support::{
    Options,
    bystander::{alone, attacked},
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, HEALTH,
        INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, PING, PROTOCOL_ERROR, REFUSED_STREAM, Seen,
        VERIFY, Wire, call, call_block, frame, message, reset, settings, window_update,
    },
};

mod support;

/// How long an attacker waits for what must happen.
const SOON: Duration = Duration::from_secs(15);

/// A server that loses its patience sooner than it would, so that a test need not wait.
fn hasty() -> Options {
    Options {
        edit: |config: &mut Config| {
            config.patience.send = Duration::from_secs(1);
            config.limits.default_deadline = Duration::from_secs(1);
        },
        ..Options::default()
    }
}

/// Whether the server told why it closed the connection. What it said is lost where it closes while we send.
fn is_calmed(seen: &Seen) -> bool {
    let reason = seen.goaway.map(|(_, reason)| reason);
    seen.closed && reason.is_none_or(|reason| reason == ENHANCE_YOUR_CALM)
}

/// Numbers of streams that a client opens.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

#[test]
fn the_defaults_are_those_that_the_attacks_are_measured_against() {
    let seconds = Duration::from_secs;
    let patience = Patience::DEFAULT;
    assert_eq!(patience.handshake, seconds(5));
    assert_eq!(patience.preface, seconds(10));
    assert_eq!(patience.send, seconds(20));
    assert_eq!(patience.keepalive_interval, seconds(30));
    assert_eq!(patience.keepalive_timeout, seconds(10));
    assert!(patience.reload <= seconds(2));
    let limits = Limits::DEFAULT;
    assert_eq!(limits.max_connections, 2048);
    assert_eq!(limits.max_connections_per_peer, 256);
    assert_eq!(limits.max_concurrent_streams, 100);
    assert_eq!(limits.max_connection_age, seconds(30 * 60));
    assert_eq!(limits.default_deadline, seconds(5));
    assert_eq!(limits.max_deadline, seconds(10));
    assert_eq!(limits.drain, seconds(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_rapid_resets_end_the_connection() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        for stream in streams(20_000) {
            if !wire.send(&[call(stream, VERIFY, END_STREAM), reset(stream)].concat()) {
                break;
            }
        }
        wire.until_closed(SOON).0
    };
    let (seen, _) = attacked("T01 rapid reset", Options::default(), attack).await;
    assert!(is_calmed(&seen), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_resets_that_the_server_has_to_make_end_the_connection() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        for stream in streams(5000) {
            let overflow = window_update(stream, 0x7fff_ffff);
            if !wire.send(&[call(stream, VERIFY, 0), overflow].concat()) {
                break;
            }
        }
        wire.until_closed(SOON).0
    };
    let (seen, _) = attacked("T02 made resets", Options::default(), attack).await;
    assert!(is_calmed(&seen), "{seen:?}");
    assert!(seen.resets.len() <= 128 + 100, "{}", seen.resets.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t03_a_window_update_of_nothing_is_an_error_of_the_connection() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        wire.send(&window_update(0, 0));
        wire.until_closed(SOON).0
    };
    let (seen, _) = attacked("T03 empty update", Options::default(), attack).await;
    assert_eq!(seen.goaway.expect("it is told").1, PROTOCOL_ERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t04_f25_a_hundred_calls_run_and_whoever_opens_more_is_told_to_go() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        for stream in streams(20_000) {
            if !wire.send(&call(stream, VERIFY, 0)) {
                break;
            }
        }
        wire.until_closed(SOON).0
    };
    let (seen, _) = attacked("T04 many streams", Options::default(), attack).await;
    assert_eq!(seen.settings[&MAX_CONCURRENT_STREAMS], 100);
    let refused = |(stream, reason): &(u32, u32)| *reason == REFUSED_STREAM && *stream > 2 * 100;
    assert!(seen.resets.iter().all(refused), "{:?}", seen.resets);
    assert!(seen.resets.len() <= 128, "{}", seen.resets.len());
    assert!(is_calmed(&seen), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t05_headers_without_an_end_are_cut_off() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        wire.send(&frame(HEADERS, 0, 1, &call_block(VERIFY, &[])));
        let mut sent = 0;
        while sent < 100_000 && wire.send(&frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y")) {
            sent += 1;
        }
        wire.until_closed(SOON).0
    };
    let (seen, _) = attacked("T05 CONTINUATION", Options::default(), attack).await;
    assert!(seen.headers == 0 && seen.goaway.is_some(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t06_too_many_header_bytes_are_refused_again_and_again_at_no_cost() {
    let _alone = alone().await;
    let attack = |server| {
        let value = "x".repeat(17 * 1024);
        let block = call_block(VERIFY, &[("x-long", &value)]);
        let (first, rest) = block.split_at(16 * 1024);
        let (mut sent, mut refused) = (0, 0);
        while sent < 3000 {
            let wire = Wire::open(server, &[]);
            for stream in streams(500) {
                let headers = frame(HEADERS, END_STREAM, stream, first);
                let rest = frame(CONTINUATION, END_HEADERS, stream, rest);
                if !wire.send(&[headers, rest].concat()) {
                    break;
                }
                sent += 1;
            }
            wire.send(&frame(PING, 0, 0, &[0; 8]));
            let (seen, _) = wire.until("an end", SOON, |seen| seen.closed || seen.pongs > 0);
            assert!(seen.data_bytes == 0, "no call was answered: {seen:?}");
            refused += seen.headers + seen.resets.len();
        }
        refused
    };
    let (refused, _) = attacked("T06 long headers", Options::default(), attack).await;
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_frames_without_data_end_the_connection_or_their_call() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        wire.send(&call(1, VERIFY, 0));
        let empty = frame(DATA, 0, 1, &[]).repeat(1000);
        let mut sent = 0;
        while sent < 300 && wire.send(&empty) {
            sent += 1;
        }
        wire.until("an end", SOON, |seen| seen.closed || seen.ended > 0)
            .0
    };
    let (seen, _) = attacked("T07 empty DATA", hasty(), attack).await;
    assert!(seen.goaway.is_some() || seen.ended > 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_questions_of_a_peer_that_reads_no_answers_pile_up_nowhere() {
    let _alone = alone().await;
    for (name, question) in [
        ("T08 SETTINGS", settings(&[])),
        ("T08 PING", frame(PING, 0, 0, &[7; 8])),
    ] {
        let attack = move |server| {
            let wire = Wire::open_deaf(server, &[]);
            wire.send_within(SOON);
            let questions = question.repeat(1000);
            (0..2000).take_while(|_| wire.send(&questions)).count()
        };
        let (sent, service) = attacked(name, hasty(), attack).await;
        assert!(sent < 2000, "the server stopped reading and closed it");
        drop(service);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_f25_five_thousand_slow_bodies_of_one_peer_take_its_share_and_little_memory() {
    let _alone = alone().await;
    for (name, path) in [("T09 calls", VERIFY), ("T09 health", HEALTH)] {
        let attack = move |server| {
            let wires: Vec<_> = (0..50).map(|_| Wire::open(server, &[])).collect();
            // And once more when all have ended.
            for round in 0..2 {
                for wire in &wires {
                    send_slow_bodies(wire, path, 200 * round);
                    // A burst would measure how fast unoptimised code refuses, and slow it is not.
                    std::thread::sleep(Duration::from_millis(20));
                }
                for wire in &wires {
                    wire.until("an end", SOON, |seen| {
                        seen.ended as u32 == 100 * (round + 1)
                    });
                }
            }
        };
        attacked(name, slow_bodies(), attack).await;
    }
}

/// One peer's share as where callers are known.
fn slow_bodies() -> Options {
    Options {
        edit: |config: &mut Config| {
            let share = Limits::DEFAULT.max_concurrent_requests_per_caller;
            config.limits.max_concurrent_requests_per_caller = share;
            // All have begun before the first one ends.
            config.limits.default_deadline = Duration::from_secs(3);
        },
        ..Options::default()
    }
}

/// Begins a hundred calls whose messages are announced as large as VerifyWebhook may bring them, and end with the first
/// byte.
fn send_slow_bodies(wire: &Wire, path: &str, after: u32) {
    for stream in streams(100).map(|stream| stream + after) {
        let length = 1_253_376u32.to_be_bytes();
        let announced = frame(DATA, 0, stream, &[&[0], &length[..], &[1]].concat());
        wire.send(&[call(stream, path, 0), announced].concat());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_f22_whoever_takes_no_answer_is_cut_off() {
    let _alone = alone().await;
    for window in [0, 1] {
        let attack = move |server| {
            let wires: Vec<_> = (0..4)
                .map(|_| Wire::open(server, &[(INITIAL_WINDOW_SIZE, window)]))
                .collect();
            for wire in &wires {
                for stream in streams(100) {
                    let list = "/countersign.v1.SchemeService/ListSchemes";
                    wire.send(&[call(stream, list, 0), message(stream, &[])].concat());
                }
            }
            let ends = wires.iter().map(|wire| wire.until_closed(SOON).0);
            ends.map(|seen| seen.goaway).collect::<Vec<_>>()
        };
        let name = format!("T17 window {window}");
        let (goaways, service) = attacked(&name, hasty(), attack).await;
        assert!(goaways.iter().all(Option::is_some), "{goaways:?}");
        assert!(service.connections().stalled >= 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_f25_answers_that_nobody_takes_have_a_bound() {
    let _alone = alone().await;
    let attack = |server| {
        let wires: Vec<_> = (0..20)
            .map(|_| Wire::open(server, &[(INITIAL_WINDOW_SIZE, 0)]))
            .collect();
        for wire in &wires {
            for stream in streams(100) {
                let list = "/countersign.v1.SchemeService/ListSchemes";
                wire.send(&[call(stream, list, 0), message(stream, &[])].concat());
            }
        }
        // Each call is either refused, or reset when nobody has taken its answer.
        for wire in &wires {
            wire.until("the end of all calls", SOON, |seen| {
                seen.closed || seen.ended + seen.resets.len() >= 100
            });
        }
        wires.iter().map(|wire| wire.seen().ended).sum::<usize>()
    };
    let (refused, service) = attacked("T17 2000 answers", hasty(), attack).await;
    let stalled = service.connections().stalled;
    eprintln!("T17: {refused} calls were refused, {stalled} connections told to go");
    assert!(refused > 0, "there are more answers than places");
    assert!(stalled > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_f25_answers_that_are_not_read_have_a_bound() {
    let _alone = alone().await;
    let attack = |server| {
        const WIDE: u32 = 0x7fff_ffff;
        let wires: Vec<_> = (0..40)
            .map(|_| {
                let wire = Wire::open_deaf(server, &[(INITIAL_WINDOW_SIZE, WIDE)]);
                wire.send(&window_update(0, WIDE - 65_535));
                for (number, stream) in streams(100).enumerate() {
                    let list = "/countersign.v1.SchemeService/ListSchemes";
                    wire.send(&[call(stream, list, 0), message(stream, &[])].concat());
                    // What is measured is not how fast unoptimised code answers.
                    if number % 10 == 0 {
                        std::thread::sleep(Duration::from_millis(25));
                    }
                }
                wire
            })
            .collect();
        // Longer than a connection may be in the way.
        std::thread::sleep(Duration::from_secs(3));
        wires.len()
    };
    attacked("T17 4000 unread answers", Options::default(), attack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_f22_bodies_that_do_not_end_have_a_bound() {
    let _alone = alone().await;
    let attack = |server| {
        let wires: Vec<_> = (0..200).map(|_| Wire::open(server, &[])).collect();
        // Until the windows are as wide as the server has them; then all that may be sent before any of it is read.
        std::thread::sleep(Duration::from_millis(500));
        let begin = [&[0], &1_253_376u32.to_be_bytes()[..], &[1; 15_000]].concat();
        for wire in &wires {
            let body = frame(DATA, 0, 1, &begin).repeat(17);
            wire.send(&[call(1, VERIFY, 0), body].concat());
        }
        std::thread::sleep(Duration::from_secs(1));
        wires.iter().filter(|wire| wire.seen().ended == 1).count()
    };
    let (refused, _) = attacked("T17 200 long bodies", slow_bodies(), attack).await;
    assert!(
        (130..160).contains(&refused),
        "{refused} calls were refused"
    );
}
