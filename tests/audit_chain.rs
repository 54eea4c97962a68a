//! Who may read the audit, and what shows that a record of it is missing or was edited.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use countersign_core::access::Permission;
use countersign_proto::v1::{
    self, AuditHead, AuditRecord, ListAuditRecordsRequest, VerifyAuditChainRequest,
    audit_service_client::AuditServiceClient,
};
use rusqlite::Connection;
use support::{
    error_of,
    guarded::Guarded,
    new_secret,
    process::{PATIENCE, Site, command, finish},
    refusal::{invalid, refusal},
};
use tonic::Code;

#[tokio::test]
async fn a_caller_reads_the_records_of_the_names_that_it_may_read_the_audit_of() {
    let guarded = Guarded::start().await;
    for name in ["acme/chat", "acme/hooks", "other/chat"] {
        let created = new_secret(name, "chatwoot.identity");
        guarded.send("SecretService/CreateSecret", &created).await;
    }
    let read = &[Permission::AuditRead];
    let acme = guarded.token("acme/auditor", read, "acme/*").await;
    let subjects = |records: &[AuditRecord]| -> BTreeSet<String> {
        records
            .iter()
            .map(|record| record.subject.clone())
            .collect()
    };
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let seen = guarded.records(&acme, "", 2).await;
    let own: BTreeSet<String> = of(&["acme/chat", "acme/hooks", "acme/auditor"]);
    assert_eq!(subjects(&seen), own);
    let seen = guarded.records(&acme, "acme/chat", 1).await;
    assert_eq!(subjects(&seen), of(&["acme/chat"]));
    let all = subjects(&guarded.records(&guarded.admin, "", 1000).await);
    assert!(all.is_superset(&own) && all.contains("other/chat") && all.contains(""));

    // Of a name of others nothing is told, be there records or not.
    for name in ["other/chat", "other/none"] {
        let request = ListAuditRecordsRequest {
            subject: name.to_owned(),
            ..Default::default()
        };
        let refused = guarded.page(&acme, request).await.unwrap_err();
        assert_eq!(error_of(&refused).1, "PERMISSION_DENIED");
    }
    let mut audit = AuditServiceClient::new(guarded.shows(&acme));
    let refused = audit.verify_audit_chain(VerifyAuditChainRequest::default());
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn d30_a_page_token_opens_no_other_list_and_nobody_elses_view() {
    let guarded = Guarded::start().await;
    for number in 0..4 {
        for name in ["acme", "other"] {
            let created = new_secret(&format!("{name}/s{number}"), "chatwoot.identity");
            guarded.send("SecretService/CreateSecret", &created).await;
        }
    }
    let read = &[Permission::AuditRead];
    let acme = guarded.token("acme/auditor", read, "acme/*").await;
    let other = guarded.token("other/auditor", read, "other/*").await;
    let request = |subject: &str, page_token: &str| ListAuditRecordsRequest {
        subject: subject.to_owned(),
        page_size: 1,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let admin = guarded.admin.clone();
    let all = guarded.page(&admin, request("", "")).await.unwrap();
    let of_acme = guarded.page(&acme, request("", "")).await.unwrap();
    let secrets = {
        let list = v1::ListSecretsRequest {
            page_size: 1,
            ..Default::default()
        };
        let shown = guarded.shows(&admin);
        let mut secrets = v1::secret_service_client::SecretServiceClient::new(shown);
        let page = secrets.list_secrets(list).await.unwrap();
        page.into_inner().next_page_token
    };
    let flipped = {
        let mut token = all.next_page_token.clone().into_bytes();
        token[3] = if token[3] == b'A' { b'B' } else { b'A' };
        String::from_utf8(token).unwrap()
    };
    for (caller, subject, token) in [
        (&admin, "acme/s1", all.next_page_token.as_str()),
        (&acme, "", &all.next_page_token),
        (&other, "", &of_acme.next_page_token),
        (&admin, "", &of_acme.next_page_token),
        (&acme, "acme/s1", &of_acme.next_page_token),
        (&admin, "", &secrets),
        (&admin, "", &flipped),
        (&admin, "", "5"),
        (&admin, "", "\u{0}"),
    ] {
        let refused = guarded.page(caller, request(subject, token)).await;
        assert_eq!(refusal(refused, token), invalid("page_token"));
    }
    for (caller, token) in [(&admin, &all), (&acme, &of_acme)] {
        let next = guarded.page(caller, request("", &token.next_page_token));
        let next = next.await.unwrap();
        assert!(next.records[0].number > token.records[0].number);
    }
}

#[tokio::test]
async fn a29_what_was_done_to_the_records_behind_the_servers_back_is_told() {
    let guarded = Guarded::start().await;
    for number in 0..4 {
        let created = new_secret(&format!("acme/s{number}"), "chatwoot.identity");
        guarded.send("SecretService/CreateSecret", &created).await;
    }
    let sound = guarded.verify(None).await;
    assert!(sound.intact && sound.finding.is_empty() && sound.first_bad_number == 0);
    let anchor = sound.head.clone().unwrap();
    assert_eq!(anchor.number, 5);
    let forged = AuditHead {
        hash: vec![7; 32].into(),
        ..anchor.clone()
    };
    let wrong = guarded.verify(Some(forged)).await;
    assert_eq!((wrong.intact, wrong.first_bad_number), (false, 5));

    let guarded = guarded.edited("").await;
    let still = guarded.verify(Some(anchor.clone())).await;
    assert!(still.intact, "{}", still.finding);
    let guarded = guarded
        .edited("UPDATE audit SET principal = 'mallory' WHERE n = 3")
        .await;
    // What is recorded later does not cover it.
    guarded.records(&guarded.admin, "", 1000).await;
    for anchor in [None, Some(anchor)] {
        let told = guarded.verify(anchor).await;
        assert_eq!((told.intact, told.first_bad_number), (false, 3));
        assert!(
            told.finding.contains("record 3 was edited"),
            "{}",
            told.finding
        );
    }
}

fn countersign(site: &Site, address: &str, arguments: &[&str]) -> Output {
    let mut command = command();
    command.args(arguments);
    if !address.is_empty() {
        let server = format!("http://{address}");
        command.args(["--server", &server, "--token-file"]);
        command.arg(site.path("token"));
    }
    finish(&mut command, PATIENCE).0
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The checker of the document.
fn checked(export: &Path) -> Output {
    let document = include_str!("../docs/audit.md");
    let checker = document.split("```python\n").nth(1).unwrap();
    let checker = checker.split("```").next().unwrap();
    let mut python = Command::new("python3");
    finish(python.arg("-c").arg(checker).arg(export), PATIENCE).0
}

#[tokio::test]
async fn a29_an_export_is_checked_without_a_server_and_without_countersign() {
    let site = Site::new();
    let running = site.serve().await;
    let address = running.address().to_string();
    let ask = |arguments: &[&str]| countersign(&site, &address, arguments);
    let create = [
        "secret",
        "create",
        "acme/chat",
        "--scheme",
        "chatwoot.identity",
    ];
    assert!(ask(&create).status.success());
    assert!(
        ask(&["secret", "rotate", "acme/chat", "--emergency"])
            .status
            .success()
    );
    assert!(!ask(&["secret", "get", "acme/none"]).status.success());

    let listed = said(&ask(&["audit", "list", "--subject", "acme/chat"]));
    assert!(listed.contains("emergency generated") && listed.contains("acme/chat version 2"));
    let listed = said(&ask(&["audit", "list", "--after", "3", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["records"][0]["number"], 4);
    assert_eq!(listed["records"][0]["outcome"], "SECRET_NOT_FOUND");

    let export = site.path("audit.jsonl");
    let export_path = export.to_str().unwrap();
    let exported = ask(&["audit", "export", "--out", export_path]);
    assert!(exported.status.success());
    let head = said(&exported)
        .trim()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        !ask(&["audit", "export", "--out", export_path])
            .status
            .success(),
        "it is there"
    );
    let straight = said(&ask(&["audit", "export"]));
    let text = fs::read_to_string(&export).unwrap();
    assert!(straight.starts_with(&text));

    let verified = ask(&["audit", "verify", "--anchor", &head]);
    assert!(verified.status.success() && said(&verified).starts_with("Intact up to "));
    let verify = |file: &str, anchor: &str| {
        let mut arguments = vec!["audit", "verify", "--file", file];
        if !anchor.is_empty() {
            arguments.extend(["--anchor", anchor]);
        }
        countersign(&site, "", &arguments)
    };
    for anchor in ["", &head] {
        let verified = verify(export_path, anchor);
        assert!(verified.status.success());
        assert_eq!(said(&verified).trim(), format!("Intact up to {head}"));
    }
    assert_eq!(said(&checked(&export)).trim(), head);

    let number = text.lines().count();
    for line in 0..number {
        for edit in ["deleted", "edited", "swapped"] {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            match edit {
                "deleted" => drop(lines.remove(line)),
                "edited" => lines[line] = lines[line].replace("\"outcome\":\"", "\"outcome\":\"X"),
                _ if line == 0 => continue,
                _ => lines.swap(line - 1, line),
            }
            fs::write(&export, lines.join("\n") + "\n").unwrap();
            let verified = verify(export_path, &head);
            assert_eq!(verified.status.code(), Some(1), "line {line} {edit}");
            assert!(said(&verified).starts_with("NOT INTACT: "));
            // Without an anchor nobody misses the last line.
            let is_cut = edit == "deleted" && line + 1 == number;
            assert_eq!(
                checked(&export).status.success(),
                is_cut,
                "line {line} {edit}"
            );
        }
    }
    running.kill();
    let file = Connection::open(site.database()).unwrap();
    file.execute_batch("DELETE FROM audit WHERE n = 2").unwrap();
    drop(file);
    let running = site.serve().await;
    let address = running.address().to_string();
    let verified = countersign(&site, &address, &["audit", "verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_str(&said(&verified)).unwrap();
    assert_eq!(
        (&told["intact"], &told["first_bad_number"]),
        (&false.into(), &2.into())
    );
    assert!(site.log().contains("the audit is not intact"));
}

/// The log has every head, from outside of the store.
#[tokio::test]
async fn a29_every_line_of_the_log_about_a_record_is_an_anchor() {
    let site = Site::new();
    let running = site.serve().await;
    let address = running.address().to_string();
    let ask = |arguments: &[&str]| countersign(&site, &address, arguments);
    for name in ["acme/a", "acme/b", "acme/c"] {
        let create = ["secret", "create", name, "--scheme", "chatwoot.identity"];
        assert!(ask(&create).status.success());
    }
    let anchors = |log: String| -> Vec<String> {
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let lines = lines.filter(|line: &serde_json::Value| line["message"] == "audit");
        lines
            .map(|line| format!("{}:{}", line["change"], line["hash"].as_str().unwrap()))
            .collect()
    };
    let anchors = anchors(site.log());
    assert!(anchors.len() >= 3);
    for anchor in &anchors {
        assert!(
            ask(&["audit", "verify", "--anchor", anchor])
                .status
                .success()
        );
    }
}
