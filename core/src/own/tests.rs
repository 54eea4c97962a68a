use super::*;
use crate::catalogue::definition;

const CANARY: &str = "canary-4f1d";

fn parse(text: &str) -> Result<OwnScheme, OwnSchemeError> {
    OwnScheme::parse(text)
}

fn own() -> String {
    let text = definition("slack.webhook").unwrap();
    text.replace("vendor = \"slack\"", "vendor = \"acme\"")
}

#[test]
fn every_built_in_scheme_is_a_description_under_another_vendor() {
    for scheme in Catalogue::builtin().iter() {
        let text = definition(&scheme.id).unwrap();
        assert_eq!(parse(&text).unwrap_err(), OwnSchemeError::BuiltIn);
        let (vendor, kind) = scheme.id.split_once('.').unwrap();
        let heading = format!("vendor = \"{vendor}\"");
        assert_eq!(text.matches(&heading).count(), 1, "{}", scheme.id);
        let own = parse(&text.replace(&heading, "vendor = \"acme\"")).unwrap();
        assert_eq!(own.scheme.id, format!("acme.{kind}"));
        assert_eq!(own.scheme.description, scheme.description);
        assert!(!own.vectors.is_empty(), "{}", scheme.id);
    }
    assert_eq!(definition("slack.nothing"), None);
}

#[test]
fn a_stored_description_keeps_its_vendor_when_it_becomes_built_in() {
    let text = definition("slack.webhook").unwrap();
    assert_eq!(
        OwnScheme::parse_stored(&text).unwrap().scheme.id,
        "slack.webhook"
    );
}

#[test]
fn ids_are_plain() {
    for (vendor, field) in [
        ("", "vendor"),
        ("Acme", "vendor"),
        ("-acme", "vendor"),
        ("ac.me", "vendor"),
        ("ac/me", "vendor"),
        ("acm\u{e9}", "vendor"),
        ("sl\u{430}ck", "vendor"),
        (&"a".repeat(64), "vendor"),
    ] {
        let text = own().replace("\"acme\"", &format!("{vendor:?}"));
        assert_eq!(
            parse(&text).unwrap_err(),
            OwnSchemeError::Segment(field),
            "{vendor}"
        );
    }
    let text = own().replace("kind = \"webhook\"", "kind = \"Web\"");
    assert_eq!(parse(&text).unwrap_err(), OwnSchemeError::Segment("kind"));
}

#[test]
fn a_description_has_one_scheme_and_shares_no_key() {
    let one = own();
    let (_, entry) = one.split_once("[[scheme]]").unwrap();
    let two = format!(
        "{one}[[scheme]]{}",
        entry.replace("kind = \"webhook\"", "kind = \"other\"")
    );
    assert_eq!(parse(&two).unwrap_err(), OwnSchemeError::Count);
    assert_eq!(
        parse("vendor = \"acme\"\nscheme = []").unwrap_err(),
        OwnSchemeError::Count
    );
    let shared = one.replace(
        "[[scheme]]\n",
        "[[scheme]]\nshares_key_with = [\"acme.other\"]\n",
    );
    assert_eq!(parse(&shared).unwrap_err(), OwnSchemeError::SharedKey);
}

#[test]
fn a_truncated_signature_cannot_be_asked_for() {
    for key in ["truncate = 16", "digest_bits = 128", "length = 8"] {
        let text = own().replace("[scheme.webhook]\n", &format!("[scheme.webhook]\n{key}\n"));
        let said = parse(&text).unwrap_err().to_string();
        assert!(said.contains("TRUNCATED_OUTPUT"), "{said}");
    }
}

#[test]
fn an_error_says_where_it_is_and_what_may_stand_there() {
    let text = "vendor = \"acme\"\n\n[[scheme]]\nkind = \"x\"\ntitel = \"x\"\n";
    let OwnSchemeError::Syntax {
        line,
        column,
        message,
    } = parse(text).unwrap_err()
    else {
        panic!("not a syntax error");
    };
    assert_eq!((line, column), (5, 1));
    assert!(
        message.contains("`titel`") && message.contains("`title`"),
        "{message}"
    );
    // What chooses the other fields of its table.
    let text = own().replace("grammar = ", "grammer = ");
    let message = parse(&text).unwrap_err().to_string();
    assert!(
        message.contains("missing field `grammar`; unknown field `grammer`"),
        "{message}"
    );
}

/// Puts a canary into every value of a description, in every kind that TOML has.
#[test]
fn an_error_repeats_no_value() {
    let text = own();
    let mut refused = 0;
    for (at, line) in text.lines().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        for value in [
            format!("\"{CANARY}\""),
            format!("[\"{CANARY}\"]"),
            format!("{{ \"{CANARY} \\\" {CANARY}\" = 1 }}"),
            format!("{{ {CANARY} = \"{CANARY}, expected {CANARY}\" }}"),
            CANARY.to_owned(),
            "77777777".to_owned(),
            format!("'{CANARY}"),
        ] {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines[at] = format!("{key} = {value}");
            let Err(error) = parse(&lines.join("\n")) else {
                continue;
            };
            refused += 1;
            let said = format!("{error} {error:?}");
            let told = said.replace(&format!("unknown field `{CANARY}`"), "");
            assert!(!told.contains("canary") && !told.contains("777"), "{said}");
        }
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn hostile_descriptions_are_refused_without_panic() {
    let deep = format!("vendor = {}{}", "[".repeat(30_000), "]".repeat(30_000));
    let tables = format!("vendor = {}", "{a=".repeat(20_000));
    let dotted = format!("{}a = 1", "a.".repeat(30_000));
    let many = own() + &"[[scheme.vector]]\n".repeat(3_000);
    let huge = own() + &"#".repeat(MAX_DEFINITION_BYTES);
    let nul = own().replace("acme", "ac\0me");
    let escaped = own().replace("acme", "ac\\u0000me");
    let title = own().replace("title = \"", "title = \"\\u001b[31m");
    let description = own().replace(
        "description = ",
        &format!("description = \"{}\" # ", "x".repeat(9_000)),
    );
    for text in [
        "",
        "\0",
        "\u{feff}",
        "vendor",
        "= 1",
        &deep,
        &tables,
        &dotted,
        &many,
        &huge,
        &nul,
        &escaped,
        &title,
        &description,
    ] {
        let said = parse(text).unwrap_err().to_string();
        assert!(said.len() < 1_000, "{said}");
    }
    assert_eq!(parse(&huge).unwrap_err(), OwnSchemeError::TooLong);
}

#[test]
fn what_goes_into_headers_and_terminals_is_plain() {
    let edited = |from: &str, to: &str| {
        let text = own();
        assert!(text.contains(from), "{from}");
        parse(&text.replacen(from, to, 1)).map(|_| ())
    };
    let signature = "header = \"X-Slack-Signature\"";
    assert_eq!(edited(signature, "header = \"X-Sig\""), Ok(()));
    for (from, to) in [
        (signature, "header = \"X Sig\""),
        (signature, "header = \"\""),
        (signature, "header = \"X-Sig\\r\\nSet-Cookie\""),
        ("prefix = \"v0=\"", "prefix = \"v0\\n=\""),
        ("title = \"", "title = \"\\u001b[2J"),
        (
            "[scheme.webhook]",
            "parameters = { \"a b\" = \"x\" }\n[scheme.webhook]",
        ),
        ("{timestamp}:{body}", "{timestamp}:{body}{body}"),
        (
            "[scheme.webhook]",
            "identity_hash = { message = \"{id}\", encoding = \"base64\" }\n[scheme.webhook]",
        ),
    ] {
        assert!(edited(from, to).is_err(), "{to}");
    }
    let long = format!("title = \"{}", "x".repeat(MAX_TEXT_BYTES));
    assert_eq!(edited("title = \"", &long), Err(OwnSchemeError::Texts));
    assert_eq!(edited("{timestamp}:{body}", "{timestamp}\\n{body}"), Ok(()));
}

/// Whatever is read is also linted and run.
#[test]
fn bent_descriptions_are_read_or_refused_and_never_panic() {
    let mut state = 0x5eed_0b0e_5eed_0b0e_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % bound
    };
    let texts: Vec<_> = Catalogue::builtin()
        .iter()
        .map(|scheme| definition(&scheme.id).unwrap())
        .map(|text| text.replacen("vendor = \"", "vendor = \"my-", 1))
        .collect();
    let marks = [
        "\"", "{", "}", "[", "]", "=", "\n", "#", "|", "?", "0", "'''", "\\u0000", "é", "{body}",
        "{id}",
    ];
    let mut read = 0;
    for round in 0..3_000 {
        let mut text = texts[round % texts.len()].clone();
        for _ in 0..=below(3) {
            let near = below(text.len());
            let at = (near..=text.len())
                .find(|at| text.is_char_boundary(*at))
                .unwrap();
            match below(3) {
                0 => text.insert_str(at, marks[below(marks.len())]),
                1 => drop(text.remove(at.min(text.len() - 1))),
                _ => {
                    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
                    let line = lines[below(lines.len())].clone() + "\n";
                    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
                    text.insert_str(start, &line);
                }
            }
        }
        if let Ok(own) = parse(&text) {
            drop(own.review());
            read += 1;
        }
    }
    assert!(read > 100, "{read}");
}
