//! Lines to copy and paste while `dev` runs. Every one works as printed.

use std::{env, io::Write, net::SocketAddr, path::PathBuf};

use countersign_client::v1::Purpose;

use crate::demo::{BODY, Demo, USER_EMAIL, USER_ID};

const DEFAULT_PORT: u16 = 50051;

/// Prints lines for the CLI, curl, grpcurl and Python, as far as there are demo secrets for them.
pub(crate) fn print(
    address: SocketAddr,
    demos: &[Demo],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let program = program();
    let server = server_argument(address);
    if let Some(demo) = pick(demos, Purpose::IdentityHash, "chatwoot") {
        identity(&program, &server, address, demo, out)?;
    }
    if let Some(demo) = pick(demos, Purpose::Webhook, "stripe") {
        webhook(&program, &server, demo, out)?;
    }
    Ok(())
}

fn identity(
    program: &str,
    server: &str,
    address: SocketAddr,
    demo: &Demo,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Demo { secret, proof, .. } = demo;
    let proof = quoted(proof);
    writeln!(
        out,
        "Is this visitor who they claim to be?

{program} verify {secret}{server} --id {USER_ID} --email {USER_EMAIL} --hash {proof}
{program} secret rotate {secret}{server} --grace 24h
{program} secret get {secret}{server}

The same with curl, and with grpcurl:

curl http://{address}/countersign.v1.CountersignService/Verify -H 'content-type: application/json' -d '{}'
grpcurl -plaintext -d '{}' {address} countersign.v1.CountersignService/Verify

The same in Python, from the folder that proto/ is in:

pip install grpcio-tools
mkdir -p build
python3 -m grpc_tools.protoc -Iproto --python_out=build --grpc_python_out=build proto/countersign/v1/*.proto
PYTHONPATH=build python3 - <<'END'
{}
END
",
        request(demo),
        request(demo),
        python(address, demo),
    )?;
    Ok(())
}

fn webhook(program: &str, server: &str, demo: &Demo, out: &mut dyn Write) -> anyhow::Result<()> {
    let secret = &demo.secret;
    writeln!(
        out,
        "Is this delivery genuine?

mkdir -p build
printf '%s' '{BODY}' > build/body.json
{program} webhook sign {secret}{server} --body-file build/body.json > build/headers.txt
{program} webhook verify {secret}{server} --headers-file build/headers.txt --body-file build/body.json
"
    )?;
    Ok(())
}

fn request(demo: &Demo) -> String {
    serde_json::json!({
        "secret": demo.secret,
        "claimed": { "id": USER_ID, "email": USER_EMAIL },
        "hash": demo.proof,
    })
    .to_string()
}

fn python(address: SocketAddr, demo: &Demo) -> String {
    let Demo { secret, proof, .. } = demo;
    format!(
        r#"import grpc
from countersign.v1 import countersign_pb2 as pb, countersign_pb2_grpc as rpc

service = rpc.CountersignServiceStub(grpc.insecure_channel("{address}"))
claimed = pb.Identity(id="{USER_ID}", email="{USER_EMAIL}")
print(service.Verify(pb.VerifyRequest(secret="{secret}", claimed=claimed, hash="{proof}")))"#
    )
}

/// The demo of this vendor, or else any of the purpose, that worked.
fn pick<'a>(demos: &'a [Demo], purpose: Purpose, vendor: &str) -> Option<&'a Demo> {
    let fitting = || {
        demos
            .iter()
            .filter(move |demo| demo.purpose == purpose && !demo.proof.is_empty())
    };
    fitting()
        .find(|demo| demo.scheme.starts_with(vendor))
        .or_else(|| fitting().next())
}

/// This program as a shell would find it.
fn program() -> String {
    let path = env::current_exe().unwrap_or_else(|_| PathBuf::from("countersign"));
    quoted(&path.display().to_string())
}

/// The argument that names the server, if it is not where clients look anyway.
fn server_argument(address: SocketAddr) -> String {
    let expected = address.ip() == std::net::Ipv4Addr::LOCALHOST && address.port() == DEFAULT_PORT;
    if expected {
        String::new()
    } else {
        format!(" --server http://{address}")
    }
}

/// A word for a shell, quoted if need be.
fn quoted(word: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !word.is_empty() && word.chars().all(simple) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(scheme: &str, purpose: Purpose) -> Demo {
        Demo {
            secret: format!("demo/{}", scheme.replace('.', "-")),
            scheme: scheme.to_owned(),
            purpose,
            proof: "5f2c".to_owned(),
            verdict: String::new(),
            version: 1,
        }
    }

    #[test]
    fn the_lines_name_the_server_where_it_is() {
        let demos = [
            demo("chatwoot.identity", Purpose::IdentityHash),
            demo("stripe.webhook", Purpose::Webhook),
        ];
        let mut text = Vec::new();
        print(([127, 0, 0, 1], 7777).into(), &demos, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains(
                "verify demo/chatwoot-identity --server http://127.0.0.1:7777 --id user-42"
            )
        );
        assert!(text.contains("127.0.0.1:7777 countersign.v1.CountersignService/Verify"));
        assert!(text.contains("webhook verify demo/stripe-webhook --server http://127.0.0.1:7777"));
    }

    #[test]
    fn the_default_port_needs_no_argument() {
        assert_eq!(server_argument(([127, 0, 0, 1], 50051).into()), "");
    }

    #[test]
    fn odd_paths_are_quoted() {
        assert_eq!(quoted("/usr/bin/countersign"), "/usr/bin/countersign");
        assert_eq!(quoted("/my path/it's"), r"'/my path/it'\''s'");
    }
}
