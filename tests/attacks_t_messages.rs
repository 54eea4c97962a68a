//! Messages that are larger than they look, or than they may be.

mod support;

use std::io::Write;

use countersign_core::own::MAX_DEFINITION_BYTES;
use flate2::{Compression, write::GzEncoder};
use h2::client::SendRequest;
use http::Request;
use prost::bytes::Bytes;
use support::Service;
use tokio::net::TcpStream;
use tonic::Code;

/// What a message of the data plane may be longer than a body.
const OVERHEAD_BYTES: usize = 200 * 1024;

/// A connection on which every byte of a message is ours.
async fn connection(service: &Service) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(service.address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// One message of a call: five bytes in front of it say whether it is compressed, and how long it is.
fn framed(is_compressed: bool, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[u8::from(is_compressed)], length.as_slice(), message]
        .concat()
        .into()
}

/// The code that a call ends with.
async fn code(
    requests: &SendRequest<Bytes>,
    rpc: &str,
    encoding: Option<&str>,
    message: Bytes,
) -> Code {
    let mut request = Request::post(format!("http://server/countersign.v1.{rpc}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let mut requests = requests.clone().ready().await.unwrap();
    let (answer, mut sending) = requests
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    sending.send_data(message, true).unwrap();
    let answer = answer.await.unwrap();
    let in_headers = answer.headers().get("grpc-status").cloned();
    let mut body = answer.into_body();
    while let Some(data) = body.data().await {
        let length = data.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let status = in_headers.or_else(|| trailers.get("grpc-status").cloned());
    Code::from_bytes(status.unwrap().as_bytes())
}

/// 64 MiB of nothing in a message of 64 KiB are refused without being unpacked.
#[tokio::test]
async fn t10_a_packed_message_is_not_unpacked() {
    let service = Service::start().await;
    let requests = connection(&service).await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 17);
    for rpc in ["CountersignService/Verify", "SecretService/CreateSecret"] {
        for encoding in ["gzip", "deflate", "zstd", "br"] {
            let refused = code(&requests, rpc, Some(encoding), framed(true, &bomb)).await;
            assert_eq!(refused, Code::Unimplemented, "{rpc} {encoding}");
        }
        // A message that says it is packed, in a call that does not say how.
        let refused = code(&requests, rpc, None, framed(true, &bomb)).await;
        assert!(
            matches!(
                refused,
                Code::Internal | Code::InvalidArgument | Code::OutOfRange
            ),
            "{rpc} {refused:?}"
        );
    }
    let unpacked = code(
        &requests,
        "SecretService/ListSecrets",
        None,
        framed(false, b""),
    );
    assert_eq!(unpacked.await, Code::Ok);
}

#[tokio::test]
async fn t11_a_message_one_byte_over_the_limit_of_its_service_is_refused() {
    let service = Service::start().await;
    let requests = connection(&service).await;
    for (rpc, limit) in [
        ("CountersignService/Verify", (1 << 20) + OVERHEAD_BYTES),
        (
            "CountersignService/VerifyWebhook",
            (1 << 20) + OVERHEAD_BYTES,
        ),
        ("SecretService/CreateSecret", 64 << 10),
        ("TokenService/ListTokens", 64 << 10),
        ("AuditService/ListAuditRecords", 64 << 10),
        (
            "SchemeService/CreateScheme",
            MAX_DEFINITION_BYTES + (16 << 10),
        ),
    ] {
        // A field that no message has, of as many bytes as there is room for.
        let message = |len: usize| {
            let mut message = vec![0xfa, 0x3f];
            let mut left = len - 5;
            for _ in 0..3 {
                message.push((left & 0x7f) as u8 | 0x80);
                left >>= 7;
            }
            *message.last_mut().unwrap() &= 0x7f;
            message.resize(len, 0);
            framed(false, &message)
        };
        let longest = code(&requests, rpc, None, message(limit)).await;
        assert!(
            !matches!(longest, Code::OutOfRange | Code::Internal | Code::Unknown),
            "{rpc} {longest:?}"
        );
        let over = code(&requests, rpc, None, message(limit + 1)).await;
        assert_eq!(over, Code::OutOfRange, "{rpc}");
    }
}
