//! Commands in place of rpcs: a server's texts name its calls, and who reads them here has commands.

/// The rpcs that hints name, each with the command that makes the call.
const COMMANDS: [(&str, &str); 14] = [
    ("CreateSecret", "countersign secret create"),
    ("GetSecret", "countersign secret get NAME"),
    ("ListSecrets", "countersign secret list"),
    ("UpdateSecret", "countersign secret update"),
    ("RotateSecret", "countersign secret rotate"),
    ("ActivateVersion", "countersign secret activate"),
    ("RevokeVersion", "countersign secret revoke"),
    ("DeleteSecret", "countersign secret delete"),
    ("GetScheme", "countersign scheme show ID"),
    ("ListSchemes", "countersign scheme list"),
    ("CreateScheme", "countersign scheme create"),
    ("DeleteScheme", "countersign scheme delete"),
    ("VerifyWebhook", "countersign webhook verify"),
    ("Explain", "countersign explain"),
];

/// The text with each rpc as the command that makes it.
pub(crate) fn named(text: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c: char| !c.is_ascii_alphanumeric());
        let (word, after) = word.split_at(end.unwrap_or(word.len()));
        named.push_str(before);
        match COMMANDS.iter().find(|(rpc, _)| *rpc == word) {
            Some((_, command)) => named.extend(["`", command, "`"]),
            None => named.push_str(word),
        }
        rest = after;
    }
    named + rest
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn a_hint_names_the_command() {
        for (text, expected) in [
            (
                "no such secret; ListSecrets has the names",
                "no such secret; `countersign secret list` has the names",
            ),
            (
                "GetScheme shows it.",
                "`countersign scheme show ID` shows it.",
            ),
            ("UpdateSecretRequest", "UpdateSecretRequest"),
            ("ünï ListSecrets", "ünï `countersign secret list`"),
            ("", ""),
        ] {
            assert_eq!(named(text), expected);
        }
    }

    #[test]
    fn each_of_them_is_a_command() {
        for (rpc, command) in COMMANDS {
            let words = command.split(' ').skip(1);
            let mut found = Cli::command();
            for word in words.filter(|word| word.chars().all(char::is_lowercase)) {
                let next = found.find_subcommand(word);
                found = next.unwrap_or_else(|| panic!("{rpc}: {command}")).clone();
            }
        }
    }
}
