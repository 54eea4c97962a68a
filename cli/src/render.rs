//! Answers for people: tables without colour, and times in words.

use std::{
    io::Write,
    time::{Duration, SystemTime},
};

use comfy_table::{Table, presets};
use countersign_client::{Identity, v1};
use prost_types::Timestamp;

/// A table with a header line and nothing drawn, which reads well and pipes well.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.map(str::to_uppercase).to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table.trim_fmt()
}

/// Lines of a name and a value; those without a value are left out.
pub(crate) fn fields<'a>(
    out: &mut dyn Write,
    rows: impl IntoIterator<Item = (&'a str, Option<String>)>,
) -> anyhow::Result<()> {
    for (name, value) in rows {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            writeln!(out, "{name:<12} {}", plain(&value))?;
        }
    }
    Ok(())
}

/// A text without control characters: what somebody claims to be called must not steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            plain.extend(c.escape_default())
        } else {
            plain.push(c)
        }
    }
    plain
}

/// The name of an enum value without its prefix, in lower case with spaces.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") | None => String::new(),
        Some(rest) => rest.to_lowercase().replace('_', " "),
    }
}

/// The versions of a secret, so that one sees when an old key can go.
pub(crate) fn versions(secret: &v1::Secret, now: SystemTime) -> String {
    let rows = secret.versions.iter().map(|version| {
        [
            version.number.to_string(),
            word(version.state().as_str_name(), "VERSION_STATE_"),
            grace_left(version, now),
            since(version.last_sign_time.as_ref(), now),
            since(version.last_verify_time.as_ref(), now),
            since(version.create_time.as_ref(), now),
            if version.imported {
                "imported".to_owned()
            } else {
                "generated".to_owned()
            },
            remarks(version),
        ]
    });
    table(
        [
            "version",
            "state",
            "grace",
            "last signed",
            "last verified",
            "created",
            "key",
            "remarks",
        ],
        rows,
    )
}

fn remarks(version: &v1::Version) -> String {
    let mut remarks: Vec<_> = version
        .warnings()
        .map(|warning| word(warning.as_str_name(), "KEY_WARNING_"))
        .collect();
    if !version.key_id.is_empty() {
        remarks.push(format!("key id {}", version.key_id));
    }
    remarks.join(", ")
}

/// What a recorded remark on a key means, and what to do.
pub(crate) fn warning(warning: v1::KeyWarning) -> &'static str {
    match warning {
        v1::KeyWarning::Unspecified => {
            "the server recorded a remark on the key without saying which"
        }
        v1::KeyWarning::ShortKey => {
            "the key is shorter than it should be, though its vendor issues such keys; take a longer one if you can"
        }
        v1::KeyWarning::KeyShared => {
            "another secret of the namespace has the same key, so whoever learns one has both; rotate them together"
        }
    }
}

fn grace_left(version: &v1::Version, now: SystemTime) -> String {
    if version.state() != v1::VersionState::Grace {
        return String::new();
    }
    let end = version
        .grace_end_time
        .and_then(|end| SystemTime::try_from(end).ok());
    match end.map(|end| end.duration_since(now)) {
        // To the minute, so that a grace of 24 hours does not start as 23.
        Some(Ok(left)) => format!("{} more", length(left + Duration::from_secs(30))),
        Some(Err(_)) => "ended".to_owned(),
        None => String::new(),
    }
}

/// How long ago, in words.
pub(crate) fn since(time: Option<&Timestamp>, now: SystemTime) -> String {
    let Some(time) = time.and_then(|time| SystemTime::try_from(*time).ok()) else {
        return "never".to_owned();
    };
    match now.duration_since(time) {
        Ok(ago) if ago < Duration::from_secs(5) => "just now".to_owned(),
        Ok(ago) => format!("{} ago", length(ago)),
        Err(_) => "just now".to_owned(),
    }
}

/// A length of time in its largest unit, rounded down.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The fields of an identity on one line.
pub(crate) fn identity(identity: &Identity) -> String {
    let plain = [
        ("id", &identity.id),
        ("email", &identity.email),
        ("name", &identity.name),
    ];
    let plain = plain
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {value}"));
    let more = identity
        .attributes
        .iter()
        .map(|(name, value)| format!("{name} {}", crate::json::from_wire_value(value)));
    plain.chain(more).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    #[test]
    fn times_are_words() {
        assert_eq!(since(None, now()), "never");
        assert_eq!(since(Some(&at(999_999)), now()), "just now");
        assert_eq!(since(Some(&at(1_000_000 - 185)), now()), "3 min ago");
        assert_eq!(length(Duration::from_secs(17 * 3600 + 59)), "17 h");
        assert_eq!(length(Duration::from_secs(30 * 86_400)), "30 d");
    }

    #[test]
    fn only_a_version_in_grace_has_time_left() {
        let mut version = v1::Version {
            state: v1::VersionState::Grace.into(),
            grace_end_time: Some(at(1_000_000 + 17 * 3600)),
            ..Default::default()
        };
        assert_eq!(grace_left(&version, now()), "17 h more");
        version.grace_end_time = Some(at(5));
        assert_eq!(grace_left(&version, now()), "ended");
        version.set_state(v1::VersionState::Retired);
        assert_eq!(grace_left(&version, now()), "");
    }

    #[test]
    fn a_claimed_name_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb"), "a\\u{1b}[31mb");
    }

    #[test]
    fn enum_names_become_words() {
        assert_eq!(word("KEY_WARNING_SHORT_KEY", "KEY_WARNING_"), "short key");
        assert_eq!(word("MODE_UNSPECIFIED", "MODE_"), "");
    }
}
