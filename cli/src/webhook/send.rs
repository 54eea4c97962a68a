//! Sends deliveries to receivers on this machine, and nowhere else.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{delivery::Delivery, fault::Fault};
use crate::exit::{Exit, Unreachable, usage};

/// How long a receiver may take for a delivery.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of an answer is shown, in bytes.
const SHOWN_BYTES: usize = 1024;

/// A receiver on this machine.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Uri,
    /// Where it may listen; no name is ever looked up.
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// Reads the URL of a receiver on this machine.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const REFUSED: &str =
            "deliveries go to this machine alone: give http://127.0.0.1:PORT/PATH";
        let url: Uri = text.parse().map_err(|_| REFUSED.to_owned())?;
        let authority = url.authority().ok_or(REFUSED)?;
        if url.scheme_str() != Some("http") || authority.as_str().contains('@') {
            return Err(REFUSED.to_owned());
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str().ends_with(authority.host()) => 80,
            None => return Err(REFUSED.to_owned()),
        };
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let hosts: Vec<IpAddr> = match bare.unwrap_or(host) {
            name if name.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            address => address.parse().into_iter().collect(),
        };
        if hosts.is_empty() || !hosts.iter().all(IpAddr::is_loopback) {
            return Err(REFUSED.to_owned());
        }
        let addresses = hosts.into_iter().map(|host| (host, port).into()).collect();
        Ok(Self { url, addresses })
    }

    /// The path and query of the request: the path of the receiver, with the query that is signed if it has none.
    fn path_and_query(&self, delivery: &Delivery) -> String {
        let signed = delivery.url.split_once('?').map(|(_, query)| query);
        let signed = signed.map(|query| query.split('#').next().unwrap_or_default());
        match self.url.query().or(signed) {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    async fn connect(&self) -> Result<TcpStream, Unreachable> {
        TcpStream::connect(self.addresses.as_slice())
            .await
            .map_err(|error| Unreachable(format!("nothing listens at {}: {error}", self.url)))
    }
}

/// Sends a delivery, a replay twice, prints the answers and what they say of the receiver.
pub(super) async fn send(
    target: &Target,
    delivery: &Delivery,
    fault: Option<Fault>,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut taken = Vec::new();
    for _ in 0..fault.map_or(1, Fault::times) {
        let answered = timeout(PATIENCE, post(target, delivery)).await;
        let answer = answered.map_err(|_| {
            let secs = PATIENCE.as_secs();
            Unreachable(format!("{} did not answer within {secs} s", target.url))
        })??;
        writeln!(out, "{}", answer.status)?;
        if !answer.text.is_empty() {
            writeln!(out, "{}", answer.text)?;
        }
        taken.push(answer.taken);
    }
    let (exit, verdict) = verdict(fault, &taken);
    writeln!(out, "verdict: {verdict}")?;
    Ok(exit)
}

/// What a receiver did with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// 2xx.
    Accepted,
    /// 4xx.
    Refused,
    /// Any other answer.
    Neither,
}

impl From<StatusCode> for Taken {
    fn from(status: StatusCode) -> Self {
        match status {
            _ if status.is_success() => Self::Accepted,
            _ if status.is_client_error() => Self::Refused,
            _ => Self::Neither,
        }
    }
}

/// Whether the receiver did right, and what it did.
fn verdict(fault: Option<Fault>, taken: &[Taken]) -> (Exit, String) {
    let last = taken.last().copied().unwrap_or(Taken::Neither);
    let good = [None, Some(Fault::Replay)].contains(&fault);
    let name = fault.map(Fault::name).unwrap_or_default();
    let (is_right, said) = match (good, taken, last) {
        (_, _, Taken::Neither) => (false, "neither accepted (2xx) nor refused (4xx)".to_owned()),
        (true, [_], Taken::Accepted) => (true, "accepted, as a good delivery has to be".to_owned()),
        (true, [Taken::Accepted, ..], Taken::Accepted) => (
            true,
            "accepted twice, which is right if the event is processed once".to_owned(),
        ),
        (true, [Taken::Accepted, _, ..], _) => {
            (true, "accepted, and refused the second time".to_owned())
        }
        (true, ..) => (false, "REFUSED, though it is good".to_owned()),
        (false, _, Taken::Refused) => (true, format!("refused, as {name} has to be")),
        (false, ..) => (false, format!("ACCEPTED, though {name} has to be refused")),
    };
    let exit = if is_right {
        Exit::Ok
    } else {
        Exit::NotVerified
    };
    (exit, said)
}

struct Answer {
    status: String,
    taken: Taken,
    text: String,
}

async fn post(target: &Target, delivery: &Delivery) -> anyhow::Result<Answer> {
    let stream = target.connect().await?;
    let lost = |error: hyper::Error| Unreachable(format!("the receiver gave no answer: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let driver = tokio::spawn(connection);
    let request = request(target, delivery)?;
    let response = sender.send_request(request).await.map_err(lost)?;
    let status = response.status();
    let line = format!("{:?} {status}", response.version());
    let text = beginning(response.into_body()).await.map_err(lost)?;
    driver.abort();
    Ok(Answer {
        status: line,
        taken: status.into(),
        text,
    })
}

fn request(target: &Target, delivery: &Delivery) -> anyhow::Result<Request<Full<Bytes>>> {
    let host = target.url.authority().map_or("", |it| it.as_str());
    let mut request = Request::builder()
        .method(delivery.method.as_str())
        .uri(target.path_and_query(delivery))
        .header("Host", host);
    for (name, value) in delivery.request_headers() {
        request = request.header(name, value);
    }
    request
        .body(Full::new(delivery.body.clone().into()))
        .map_err(|error| usage(format!("HTTP cannot carry the delivery: {error}")))
}

/// As much of an answer as is shown, without what a terminal would obey.
async fn beginning(mut body: Incoming) -> Result<String, hyper::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < SHOWN_BYTES
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data[..data.len().min(SHOWN_BYTES - bytes.len())]);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let harmless = |letter: &char| matches!(letter, '\n' | '\t') || !letter.is_control();
    Ok(text.trim_end().chars().filter(harmless).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_does_right_if_it_refuses_what_is_wrong_and_nothing_else() {
        use Taken::{Accepted, Neither, Refused};
        let stale = Some(Fault::Stale);
        let replay = Some(Fault::Replay);
        for (fault, taken, exit, words) in [
            (None, &[Accepted][..], Exit::Ok, "accepted, as"),
            (None, &[Refused], Exit::NotVerified, "REFUSED"),
            (None, &[Neither], Exit::NotVerified, "neither"),
            (stale, &[Refused], Exit::Ok, "refused, as stale"),
            (
                stale,
                &[Accepted],
                Exit::NotVerified,
                "ACCEPTED, though stale",
            ),
            (stale, &[Neither], Exit::NotVerified, "neither"),
            (replay, &[Accepted, Accepted], Exit::Ok, "twice"),
            (replay, &[Accepted, Refused], Exit::Ok, "the second time"),
            (replay, &[Refused, Refused], Exit::NotVerified, "REFUSED"),
            (replay, &[Refused, Accepted], Exit::NotVerified, "REFUSED"),
        ] {
            let (got, said) = verdict(fault, taken);
            assert_eq!(got, exit, "{fault:?} {taken:?}");
            assert!(said.starts_with(words) || said.contains(words), "{said}");
        }
    }

    #[test]
    fn only_this_machine_is_a_target() {
        for url in [
            "http://127.0.0.1:8080/hook",
            "http://127.9.9.9/",
            "http://localhost:1/",
            "http://[::1]:80/",
        ] {
            assert!(Target::parse(url).is_ok(), "{url}");
        }
        for url in [
            "http://example.com/",
            "https://127.0.0.1/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://user@127.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "http://localhost.example.com/",
            "http://2130706433/",
            "/hook",
            "",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
