//! Table T: connections that do nothing, or live too long, or are too many, and calls that take too long.

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use countersign_proto::v1::{GetSecretRequest, VerifyRequest};
use countersign_server::Config;
use prost::Message;
use support::{
    Options, Service,
    bystander::{alone, attacked, resident_kib},
    wire::{
        ATTACKER, END_STREAM, PREFACE, VERIFY, Wire, call, call_block, dial_from, frame, message,
        settings,
    },
};
use tonic::Code;

mod support;

const SOON: Duration = Duration::from_secs(15);

fn edited(edit: fn(&mut Config)) -> Options {
    Options {
        edit,
        ..Options::default()
    }
}

/// Waits until the server closes a connection; answers how long that took.
#[track_caller]
fn until_closed(mut stream: &TcpStream, begin: Instant) -> Duration {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let ended = stream.read_to_end(&mut Vec::new());
    let open = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!open, "it is open after {:?}", begin.elapsed());
    begin.elapsed()
}

/// Whether the server keeps a connection.
fn is_open(mut stream: &TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut buffer = [0; 256];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// A connection is counted when it is over, which its client may see before.
async fn counted(expected: u64, count: impl Fn() -> u64) {
    let begin = Instant::now();
    while count() < expected && begin.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_body_that_comes_a_byte_at_a_time_is_cut_off_at_the_deadline() {
    let _alone = alone().await;
    let attack = |server| {
        let wire = Wire::open(server, &[]);
        let begin = Instant::now();
        wire.send(&call(1, VERIFY, 0));
        let slow = [&[0][..], &2000u32.to_be_bytes(), &[8; 2000]].concat();
        for byte in slow {
            wire.send(&frame(support::wire::DATA, 0, 1, &[byte]));
            std::thread::sleep(Duration::from_millis(50));
            if wire.seen().ended > 0 {
                break;
            }
        }
        begin.elapsed()
    };
    let options = edited(|config| config.limits.default_deadline = Duration::from_secs(1));
    let (took, _) = attacked("T12 slow body", options, attack).await;
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_t15_f22_two_thousand_silent_connections_are_gone_when_their_time_is_over() {
    let _alone = alone().await;
    let options = edited(|config| {
        config.patience.preface = Duration::from_secs(2);
        config.limits.max_connections_per_peer = 2000;
    });
    let attack = |server: SocketAddr| {
        let begin = Instant::now();
        let silent: Vec<_> = (0..2000)
            .map(|number| {
                let stream = dial_from(ATTACKER, server).unwrap();
                let said = match number % 4 {
                    0 => &[][..],
                    1 => b"P",
                    2 => &PREFACE[..20],
                    _ => PREFACE,
                };
                let _ = std::io::Write::write_all(&mut &stream, said);
                stream
            })
            .collect();
        silent.iter().for_each(|stream| {
            until_closed(stream, begin);
        });
        begin.elapsed()
    };
    let (took, service) = attacked("T13 silent", options, attack).await;
    assert!(took < Duration::from_secs(12), "{took:?}");
    counted(2000, || service.connections().never_opened).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_a_dead_peer_is_noticed_and_an_idle_one_is_kept() {
    let service = Service::with(edited(|config| {
        config.patience.keepalive_interval = Duration::from_secs(1);
        config.patience.keepalive_timeout = Duration::from_secs(1);
    }))
    .await;
    let begin = Instant::now();
    let (dead, idle) = (
        Wire::open_dead(service.address),
        Wire::open(service.address, &[]),
    );
    dead.until_closed(SOON);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!idle.seen().closed, "who answers may be idle");
}

/// Opens so many connections that then do nothing.
fn idle(server: SocketAddr, from: [u8; 4], count: usize) -> Vec<TcpStream> {
    let idle = (0..count)
        .filter_map(|_| dial_from(from.into(), server).ok())
        .inspect(|stream| {
            let opening = [PREFACE, &settings(&[])].concat();
            let _ = std::io::Write::write_all(&mut &*stream, &opening);
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    idle
}

/// The same, and which of them the server keeps.
fn kept(server: SocketAddr, from: [u8; 4], count: usize) -> Vec<TcpStream> {
    idle(server, from, count)
        .into_iter()
        .filter(is_open)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_connections_over_a_cap_are_closed_at_once() {
    let service = Service::with(edited(|config| {
        // One is the client of the service.
        config.limits.max_connections = 1 + 12;
        config.limits.max_connections_per_peer = 8;
    }))
    .await;
    let server = service.address;
    let (first, second) = tokio::task::spawn_blocking(move || {
        let first = kept(server, [127, 0, 0, 2], 20);
        let second = kept(server, [127, 0, 0, 3], 20);
        (first, second)
    })
    .await
    .unwrap();
    assert_eq!(
        (first.len(), second.len()),
        (8, 4),
        "of one peer, and in all"
    );
    counted(12 + 16, || service.connections().refused).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let third = tokio::task::spawn_blocking(move || kept(server, [127, 0, 0, 4], 9));
    assert_eq!(
        third.await.unwrap().len(),
        8,
        "places that are left are given again"
    );
    service.generate("acme/chat", "chatwoot.identity").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_an_idle_connection_costs_no_more_than_20_kib() {
    const COUNT: usize = 1000;
    let _alone = alone().await;
    let service = Service::with(edited(|config| {
        config.limits.max_connections_per_peer = COUNT;
    }))
    .await;
    let server = service.address;
    // The first ones leave behind what is kept for good.
    drop(idle(server, [127, 0, 0, 2], COUNT));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = resident_kib();
    let open = idle(server, [127, 0, 0, 3], COUNT);
    let cost = (resident_kib().saturating_sub(before)) as f64 / COUNT as f64;
    eprintln!("{cost:.1} KiB for each of {} idle connections", open.len());
    let counts = service.connections();
    assert_eq!((counts.refused, counts.never_opened), (0, 0));
    assert_eq!((counts.accepted, open.len()), (1 + 2 * COUNT as u64, COUNT));
    assert!(cost <= 20.0, "{cost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_a_deadline_is_the_callers_within_ours_and_nonsense_is_none() {
    let service = Service::with(edited(|config| {
        config.limits.default_deadline = Duration::from_secs(1);
        config.limits.max_deadline = Duration::from_secs(2);
    }))
    .await;
    for (timeout, least, most) in [
        ("1n", 0, 500),
        ("300m", 250, 800),
        ("123456789m", 900, 1700),
        ("-1S", 900, 1700),
        ("1x", 900, 1700),
        ("99999999H", 1900, 3500),
    ] {
        let wire = Wire::open(service.address, &[]);
        let block = call_block(VERIFY, &[("grpc-timeout", timeout)]);
        let begin = Instant::now();
        wire.send(&frame(support::wire::HEADERS, 4, 1, &block));
        wire.until("an answer", SOON, |seen| seen.ended > 0);
        let took = begin.elapsed().as_millis();
        assert!((least..most).contains(&took), "{timeout}: {took} ms");
    }
    // By hand, because a client of tonic ends such a call itself.
    let tcp = tokio::net::TcpStream::connect(service.address)
        .await
        .unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}{VERIFY}", service.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "1n")
        .body(())
        .unwrap();
    let mut client = client.ready().await.unwrap();
    let (answer, _body) = client.send_request(request, false).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "4", "DEADLINE_EXCEEDED");
    connection.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t21_the_end_waits_for_nobody_longer_than_the_drain() {
    let service = Service::with(edited(|config| {
        config.limits.drain = Duration::from_secs(2);
    }))
    .await;
    let server = service.address;
    let silent: Vec<_> = (0..50)
        .map(|_| dial_from(ATTACKER, server).unwrap())
        .collect();
    let shut: Vec<_> = (0..10).map(|_| Wire::open(server, &[(4, 0)])).collect();
    for wire in &shut {
        let list = "/countersign.v1.SchemeService/ListSchemes";
        wire.send(&[call(1, list, 0), message(1, &[])].concat());
    }
    let dead = Wire::open_dead(server);
    let idle = Wire::open(server, &[]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    let took = service.shutdown().await;
    eprintln!("T21: {took:.2?} with clients that hold on");
    assert!(took < Duration::from_secs(3), "{took:?}");
    for wire in shut.iter().chain([&dead, &idle]) {
        let (seen, _) = wire.until_closed(SOON);
        assert!(seen.goaway.is_some(), "it was told: {seen:?}");
    }
    silent.iter().for_each(|stream| {
        until_closed(stream, begin);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t22_an_old_connection_is_told_to_go_and_its_calls_finish() {
    let service = Service::with(edited(|config| {
        config.limits.max_connection_age = Duration::from_secs(1);
        config.limits.drain = Duration::from_secs(2);
        config.limits.default_deadline = Duration::from_secs(10);
    }))
    .await;
    let wire = Wire::open(service.address, &[]);
    let begin = Instant::now();
    for stream in [1, 3] {
        wire.send(&call(stream, VERIFY, 0));
    }
    wire.until("a GOAWAY", SOON, |seen| seen.goaway.is_some());
    let told = begin.elapsed();
    assert!(told >= Duration::from_millis(850), "{told:?}");
    let nothing = VerifyRequest::default().encode_to_vec();
    wire.send(&message(1, &nothing));
    let (seen, _) = wire.until("an answer", SOON, |seen| seen.ended > 0);
    assert!(
        seen.headers > 0 && !seen.closed,
        "the first call finishes: {seen:?}"
    );
    // The second one does not.
    wire.until_closed(SOON);
    let took = begin.elapsed() - told;
    assert!(took >= Duration::from_millis(1700), "{took:?}");
    assert!(took < Duration::from_millis(3500), "{took:?}");
    // A client that does as it is told notices nothing.
    for _ in 0..30 {
        let missing = GetSecretRequest {
            name: "acme/none".to_owned(),
        };
        let answered = service.secrets.clone().get_secret(missing).await;
        assert_eq!(answered.unwrap_err().code(), Code::NotFound);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t23_another_protocol_is_closed_and_counted() {
    let service = Service::start().await;
    let sent: [&[u8]; 3] = [
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n0000000000000",
        // A TLS hello on a port without TLS.
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ];
    for bytes in sent {
        let stream = dial_from(ATTACKER, service.address).unwrap();
        std::io::Write::write_all(&mut &stream, bytes).unwrap();
        let took = until_closed(&stream, Instant::now());
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    counted(3, || service.connections().never_opened).await;
    // HTTP/1.1 is not another protocol: JSON comes so. Who asks for a page is told that there is none.
    let stream = dial_from(ATTACKER, service.address).unwrap();
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut &stream, get).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut &stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert_eq!(service.connections().never_opened, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t29_metadata_in_bulk_or_of_junk_is_answered_in_order() {
    let service = Service::start().await;
    let nothing = VerifyRequest::default().encode_to_vec();
    let many: Vec<_> = (0..100).map(|number| format!("x-key-{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (&**name, "value")).collect();
    let junk = [("x-junk-bin", "!!not base64!!"), ("x-junk-bin", "")];
    let long = "x".repeat(9 * 1024);
    for (metadata, answered) in [
        (many.as_slice(), true),
        (&junk, true),
        (&[("x-long", long.as_str())], false),
    ] {
        let wire = Wire::open(service.address, &[]);
        let block = call_block(VERIFY, metadata);
        wire.send(&frame(support::wire::HEADERS, 4, 1, &block));
        wire.send(&message(1, &nothing));
        let (seen, _) = wire.until("an end", SOON, |seen| {
            seen.ended > 0 || !seen.resets.is_empty()
        });
        assert!(!seen.closed, "the connection goes on");
        // A call that is refused before its handler has no second frame of HEADERS, and no GOAWAY either.
        assert!(seen.headers > 0 || !answered, "{seen:?}");
        wire.send(&call(3, VERIFY, END_STREAM));
        wire.until("the next answer", SOON, |seen| {
            seen.ended > 1 || seen.headers > 1
        });
    }
}
