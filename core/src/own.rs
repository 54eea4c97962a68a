//! Schemes of a user's own: one description in the form of the built-in ones, from somebody who may be careless or
//! hostile. What is said about it repeats no value of it: a description carries keys in its vectors.

use std::sync::Arc;

use crate::{
    Rules,
    catalogue::Catalogue,
    lint::Code,
    name::is_segment,
    scheme::{Scheme, SchemeError, VendorFile},
    template::{Template, Variable},
    vectors::Vector,
};

/// The longest description in bytes.
pub const MAX_DEFINITION_BYTES: usize = 64 * 1024;

/// All texts for people in a description together, in bytes.
pub const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The most vectors of a description.
pub const MAX_VECTORS: usize = 64;

/// The longest vendor or kind in bytes.
const MAX_SEGMENT_BYTES: usize = 63;

/// A scheme of a user's own, with its vectors.
#[derive(Debug)]
pub struct OwnScheme {
    /// The scheme.
    pub scheme: Arc<Scheme>,
    /// Its vectors, not yet run.
    pub vectors: Vec<Vector>,
}

/// Why a description is not taken. The message says what to change and repeats no value of the description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnSchemeError {
    /// It is too long.
    #[error("the description is longer than {MAX_DEFINITION_BYTES} bytes")]
    TooLong,
    /// It is not TOML of the right shape.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// It has no scheme, or several.
    #[error("a description has exactly one [[scheme]]; create one scheme after the other")]
    Count,
    /// Vendor or kind cannot be part of an id.
    #[error("{0} is 1 to {MAX_SEGMENT_BYTES} characters of a-z 0-9 -, first a letter or digit")]
    Segment(&'static str),
    /// The vendor is one of the built-in ones.
    #[error(
        "the vendor is built in; give a name of your own, so that nobody takes one scheme for the other"
    )]
    BuiltIn,
    /// It names schemes that may have the same key.
    #[error(
        "shares_key_with: leave it out; a scheme of your own shares its key with no other, since the other one \
         could not name it back"
    )]
    SharedKey,
    /// A name in it cannot be one.
    #[error("{0}: {1}")]
    Name(&'static str, &'static str),
    /// Its texts for people are too long together.
    #[error(
        "title, description, source, notes and traps are longer than {MAX_TEXT_BYTES} bytes together"
    )]
    Texts,
    /// A text for people has a control character.
    #[error("{0}: no control characters, but in texts for people line feed and tab")]
    Control(&'static str),
    /// It has too many vectors.
    #[error("at most {MAX_VECTORS} vectors")]
    Vectors,
    /// It contradicts itself.
    #[error("{0}")]
    Contradiction(String),
}

impl OwnScheme {
    /// Reads a description that somebody asks to add.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, OwnSchemeError> {
        let own = Self::parse_stored(text)?;
        let (vendor, _) = own.scheme.id.split_once('.').unwrap_or_default();
        if Catalogue::builtin().has_vendor(vendor) {
            return Err(OwnSchemeError::BuiltIn);
        }
        Ok(own)
    }

    /// Reads a description that was added before. Its vendor may be built in by now: what depends on it keeps it.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse_stored(text: &str) -> Result<Self, OwnSchemeError> {
        if text.len() > MAX_DEFINITION_BYTES {
            return Err(OwnSchemeError::TooLong);
        }
        let file: VendorFile = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        for (field, text) in file.id_parts() {
            check_segment(field, text)?;
        }
        check_plain(text)?;
        let mut schemes = file.into_schemes().map_err(|error| contradiction(&error))?;
        let (Some((scheme, vectors)), true) = (schemes.pop(), schemes.is_empty()) else {
            return Err(OwnSchemeError::Count);
        };
        check_texts(&scheme)?;
        check_names(&scheme)?;
        if !scheme.shares_key_with.is_empty() {
            return Err(OwnSchemeError::SharedKey);
        }
        let acceptable = |(code, why): (&Code, &String)| code.acceptable() && !why.is_empty();
        if !scheme.accept.iter().all(acceptable) {
            return Err(OwnSchemeError::Name(
                "accept",
                "BODY_NOT_BOUND or AMBIGUOUS_JOINING, each with the reason why",
            ));
        }
        if vectors.len() > MAX_VECTORS {
            return Err(OwnSchemeError::Vectors);
        }
        let scheme = Arc::new(scheme);
        Ok(Self { scheme, vectors })
    }
}

fn check_segment(field: &'static str, text: &str) -> Result<(), OwnSchemeError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=MAX_SEGMENT_BYTES).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-');
    fits.then_some(()).ok_or(OwnSchemeError::Segment(field))
}

/// Names and values that decide something go into headers, URLs and logs; only a signed text may have line feeds.
fn check_plain(text: &str) -> Result<(), OwnSchemeError> {
    const FREE: [&str; 8] = [
        "title",
        "description",
        "source",
        "confidence_note",
        "rotation",
        "traps",
        "accept",
        "vector",
    ];
    let table: toml::Table = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let entries = table.get("scheme").and_then(toml::Value::as_array);
    let entries = entries
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table);
    let plain = entries
        .flatten()
        .filter(|(name, _)| !FREE.contains(&name.as_str()))
        .all(|(_, value)| is_plain(value));
    plain
        .then_some(())
        .ok_or(OwnSchemeError::Control("a name or value"))
}

fn is_plain(value: &toml::Value) -> bool {
    let plain = |text: &str| !text.chars().any(char::is_control);
    match value {
        toml::Value::String(text) => plain(text),
        toml::Value::Array(values) => values.iter().all(is_plain),
        toml::Value::Table(table) => table
            .iter()
            .all(|(name, value)| plain(name) && (is_plain(value) || name == "signed_text")),
        _ => true,
    }
}

fn check_texts(scheme: &Scheme) -> Result<(), OwnSchemeError> {
    let parameters = [&scheme.parameters, &scheme.optional_parameters];
    let texts = [
        ("title", &scheme.title),
        ("description", &scheme.description),
        ("source", &scheme.source),
        ("confidence_note", &scheme.confidence_note),
        ("rotation", &scheme.rotation),
    ]
    .into_iter()
    .chain(scheme.traps.iter().map(|trap| ("traps", trap)))
    .chain(scheme.accept.values().map(|why| ("accept", why)))
    .chain(
        parameters
            .into_iter()
            .flatten()
            .map(|(_, text)| ("parameters", text)),
    );
    let mut total = scheme.describe_signed_text().len();
    for (field, text) in texts {
        total += text.len();
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
        {
            return Err(OwnSchemeError::Control(field));
        }
    }
    if scheme.title.is_empty() || scheme.title.contains('\n') {
        return Err(OwnSchemeError::Name("title", "one line"));
    }
    match total > MAX_TEXT_BYTES {
        true => Err(OwnSchemeError::Texts),
        false => Ok(()),
    }
}

fn check_names(scheme: &Scheme) -> Result<(), OwnSchemeError> {
    let mut parameters = scheme
        .parameters
        .keys()
        .chain(scheme.optional_parameters.keys());
    if !parameters.all(|name| is_segment(name)) {
        return Err(OwnSchemeError::Name(
            "parameters",
            "names of a-z 0-9 . _ -, at most 63 characters",
        ));
    }
    let Rules::Webhook(rules) = &scheme.rules else {
        return Ok(());
    };
    if !rules.header_names().iter().all(|name| is_header_name(name)) {
        return Err(OwnSchemeError::Name(
            "header",
            "names of headers have the characters of RFC 9110, at most 64 of them",
        ));
    }
    let texts = rules.text().map_or(&[][..], |rules| &rules.signed_text);
    match texts.iter().all(reads_the_body_once) {
        true => Ok(()),
        false => Err(OwnSchemeError::Name(
            "signed_text",
            "{body} and {sorted_form} stand at most once in it",
        )),
    }
}

/// What a check costs is then bounded by the body and not by the description.
fn reads_the_body_once(text: &Template) -> bool {
    let of_body = |it: &&Variable| matches!(it, Variable::Body | Variable::SortedForm);
    text.variables().filter(of_body).count() <= 1
}

/// A token of RFC 9110, and short enough to be read.
fn is_header_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn contradiction(error: &SchemeError) -> OwnSchemeError {
    let code = match error {
        SchemeError::Purpose(_) => "PURPOSE_MIXED: ",
        _ => "",
    };
    OwnSchemeError::Contradiction(code.to_owned() + &without_values(&error.to_string()))
}

fn syntax(text: &str, error: &toml::de::Error) -> OwnSchemeError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        + 1;
    let mut message = explain(error.message());
    let table = error.span().and_then(|span| text.get(span));
    if let Some(name) = table.and_then(|table| slip(error.message(), table)) {
        message = format!("{message}; unknown field `{name}`");
    }
    OwnSchemeError::Syntax {
        line,
        column,
        message,
    }
}

/// A name in a table in braces that is much like the missing one. What chooses the fields of such a table is looked for
/// before the others, so a slip in its name is not told as an unknown field.
fn slip(message: &str, table: &str) -> Option<String> {
    let missing = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    let mut whole: toml::Table = toml::from_str(&format!("table = {table}")).ok()?;
    let toml::Value::Table(table) = whole.remove("table")? else {
        return None;
    };
    let is_like = |name: &String| {
        let same = name
            .bytes()
            .zip(missing.bytes())
            .take_while(|(a, b)| a == b);
        is_segment(name) && name.len().abs_diff(missing.len()) <= 2 && same.count() >= 2
    };
    table.into_iter().map(|(name, _)| name).find(is_like)
}

/// What serde and the TOML parser say, without the values that they quote.
fn explain(message: &str) -> String {
    let expected = message
        .rsplit_once(", expected ")
        .map(|(_, expected)| expected);
    let unknown = message.strip_prefix("unknown field `");
    if let Some((field, _)) = unknown.and_then(|rest| rest.split_once('`')) {
        return unknown_field(field, expected);
    }
    let quotes = [
        "unknown variant",
        "invalid type",
        "invalid value",
        "invalid length",
    ];
    match expected {
        Some(expected) if quotes.iter().any(|start| message.starts_with(start)) => {
            format!("expected {expected}")
        }
        _ => without_values(message),
    }
}

/// Names that people give to a length of the digest.
const TRUNCATING: [&str; 6] = ["trunc", "length", "bits", "bytes", "chars", "digits"];

fn unknown_field(field: &str, expected: Option<&str>) -> String {
    if TRUNCATING.iter().any(|part| field.contains(part)) {
        return "TRUNCATED_OUTPUT: a signature is compared whole; a part of one is easier to guess, and no \
                description can ask for it"
            .to_owned();
    }
    let field = match is_segment(field) {
        true => format!("unknown field `{field}`"),
        false => "an unknown field".to_owned(),
    };
    match expected {
        Some(expected) => format!("{field}; here may stand {expected}"),
        None => field,
    }
}

/// The message with everything in quotes cut out, but for names such as fields have.
fn without_values(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some(start) = rest.find(['"', '`']) {
        let (before, quoted) = rest.split_at(start);
        let quote = &quoted[..1];
        let inside = &quoted[1..];
        // A value may hold quotes of its own, so it ends with the last one.
        let end = match quote {
            "`" => inside.find('`'),
            _ => inside.rfind('"'),
        };
        text.push_str(before);
        let Some(end) = end else {
            return text + "…";
        };
        match quote == "`" && is_segment(&inside[..end]) {
            true => text.extend(["`", &inside[..end], "`"]),
            false => text.push('…'),
        }
        rest = &inside[end + 1..];
    }
    text + rest
}

#[cfg(test)]
mod tests;
