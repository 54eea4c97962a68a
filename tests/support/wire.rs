//! HTTP/2 without a library, because a library would not send what an attacker sends: frames of every kind at any
//! moment, on a thread of its own, from an address of its own.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The address that attacks come from; the well-behaved client has another one.
pub const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A call of the data plane that needs no secret to be refused by its handler.
pub const VERIFY: &str = "/countersign.v1.CountersignService/Verify";

/// A call that anybody may make.
pub const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A connection to the server from some address of this machine.
pub fn dial_from(ip: IpAddr, server: SocketAddr) -> std::io::Result<TcpStream> {
    dial(ip, server, None)
}

fn dial(ip: IpAddr, server: SocketAddr, buffer: Option<u32>) -> std::io::Result<TcpStream> {
    // The standard library cannot choose the address, and a runtime cannot be waited for within another one.
    let dial = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(ip, 0))?;
            if let Some(bytes) = buffer {
                socket.set_recv_buffer_size(bytes)?;
            }
            socket.connect(server).await?.into_std()
        })
    };
    let stream = thread::spawn(dial).join().unwrap()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// SETTINGS with these values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let values = values.iter().flat_map(|(id, value)| {
        let id = id.to_be_bytes().into_iter();
        id.chain(value.to_be_bytes())
    });
    frame(SETTINGS, 0, 0, &values.collect::<Vec<u8>>())
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

/// A field of HPACK that enters no table.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        let mut length = text.len();
        if length < 127 {
            field.push(length as u8);
        } else {
            field.push(127);
            length -= 127;
            while length >= 128 {
                field.push((length % 128) as u8 | 128);
                length /= 128;
            }
            field.push(length as u8);
        }
        field.extend(text.as_bytes());
    }
    field
}

/// The header block of a gRPC call with further fields.
pub fn call_block(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let call = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let fields = call.iter().chain(more);
    fields
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// HEADERS of a call.
pub fn call(stream: u32, path: &str, flags: u8) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &call_block(path, &[]))
}

/// DATA with a whole message that ends a call.
pub fn message(stream: u32, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    frame(DATA, END_STREAM, stream, &framed)
}

/// What the server has sent.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub settings: BTreeMap<u16, u32>,
    /// The last stream that it took, and its reason.
    pub goaway: Option<(u32, u32)>,
    /// Streams that it reset, and why.
    pub resets: Vec<(u32, u32)>,
    /// Frames with HEADERS.
    pub headers: usize,
    /// Frames that ended a stream.
    pub ended: usize,
    /// Bytes of answers.
    pub data_bytes: usize,
    pub pongs: usize,
    pub closed: bool,
}

/// A connection of an attacker.
pub struct Wire {
    stream: TcpStream,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Wire {
    /// Connects and sends the preface and SETTINGS. What comes is read all the time, and answered as a polite client
    /// does.
    pub fn open(server: SocketAddr, values: &[(u16, u32)]) -> Self {
        Self::new(server, values, true)
    }

    /// The same, but never answers a PING.
    pub fn open_dead(server: SocketAddr) -> Self {
        Self::new(server, &[], false)
    }

    /// A connection that reads nothing and has room for next to nothing, with preface and these settings sent.
    pub fn open_deaf(server: SocketAddr, values: &[(u16, u32)]) -> Self {
        let stream = dial(ATTACKER, server, Some(2048)).unwrap();
        let wire = Self {
            stream,
            seen: Arc::default(),
        };
        wire.send(&[PREFACE, &settings(values)].concat());
        wire
    }

    fn new(server: SocketAddr, values: &[(u16, u32)], polite: bool) -> Self {
        let stream = dial_from(ATTACKER, server).unwrap();
        let wire = Self {
            stream,
            seen: Arc::default(),
        };
        // First of all, for what is read is answered.
        wire.send(&[PREFACE, &settings(values)].concat());
        let reader = wire.stream.try_clone().unwrap();
        let seen = wire.seen.clone();
        thread::spawn(move || {
            read_frames(reader, &seen, polite);
            seen.0.lock().unwrap().closed = true;
            seen.1.notify_all();
        });
        wire
    }

    /// Sends bytes; false once the server has closed the connection.
    pub fn send(&self, bytes: &[u8]) -> bool {
        (&self.stream).write_all(bytes).is_ok()
    }

    /// Gives up on sends that take longer.
    pub fn send_within(&self, limit: Duration) {
        self.stream.set_write_timeout(Some(limit)).unwrap();
    }

    /// What came so far.
    pub fn seen(&self) -> Seen {
        self.seen.0.lock().unwrap().clone()
    }

    /// Waits for something; answers what came and how long that took.
    #[track_caller]
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        is: impl Fn(&Seen) -> bool,
    ) -> (Seen, Duration) {
        let begin = Instant::now();
        let (seen, changed) = &*self.seen;
        let seen = seen.lock().unwrap();
        let (seen, waited) = changed
            .wait_timeout_while(seen, limit, |seen| !is(seen))
            .unwrap();
        assert!(!waited.timed_out(), "{what} did not happen: {seen:?}");
        (seen.clone(), begin.elapsed())
    }

    /// Waits until the server closes the connection.
    #[track_caller]
    pub fn until_closed(&self, limit: Duration) -> (Seen, Duration) {
        self.until("the end of the connection", limit, |seen| seen.closed)
    }

    pub fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.close();
    }
}

fn read_frames(mut stream: TcpStream, seen: &(Mutex<Seen>, Condvar), polite: bool) {
    let mut header = [0; 9];
    while stream.read_exact(&mut header).is_ok() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let (kind, flags) = (header[3], header[4]);
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let id = number(&header[5..]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).is_err() {
            return;
        }
        let answer = match kind {
            SETTINGS if flags & ACK == 0 => Some(frame(SETTINGS, ACK, 0, &[])),
            PING if flags & ACK == 0 && polite => Some(frame(PING, ACK, 0, &payload)),
            _ => None,
        };
        if let Some(answer) = answer {
            let _ = stream.write_all(&answer);
        }
        let mut seen_now = seen.0.lock().unwrap();
        match kind {
            SETTINGS => seen_now
                .settings
                .extend(payload.chunks_exact(6).map(|value| {
                    let id = u16::from_be_bytes([value[0], value[1]]);
                    (id, number(&value[2..]))
                })),
            GOAWAY => seen_now.goaway = Some((number(&payload[..4]), number(&payload[4..8]))),
            RST_STREAM => seen_now.resets.push((id, number(&payload))),
            PING if flags & ACK != 0 => seen_now.pongs += 1,
            HEADERS => seen_now.headers += 1,
            DATA => seen_now.data_bytes += payload.len(),
            _ => {}
        }
        seen_now.ended += usize::from(matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0);
        drop(seen_now);
        seen.1.notify_all();
    }
}
