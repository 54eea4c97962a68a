//! Headers as a delivery should have had them: names that are almost right, fields that stand twice, values in quotes,
//! signatures in another form.

use super::{
    CauseCode,
    forms::{self, Reading},
};
use crate::{
    key::Algorithm,
    webhook::{FORM, Header, Headers, Place, SignaturePlace, TextRules, TimestampPlace, branded},
};

/// The most other headers that are read as if they held the signature.
const MAX_SUSPECTS: usize = 12;

/// The most readings of signatures that are written as the scheme has them.
const MAX_REFORMED: usize = 48;

/// Digests whose signatures are told apart by their length alone.
const LENGTHS: std::ops::RangeInclusive<usize> = 20..=72;

/// What says whether a body is a form.
pub(super) const CONTENT_TYPE: &str = "Content-Type";

/// Owned headers, which a search may change.
pub(super) type Fields = Vec<(String, String)>;

/// Headers after a repair, and what was repaired.
pub(super) struct Repaired {
    pub(super) code: CauseCode,
    /// What was found, as a sentence goes on after "The signature".
    pub(super) what: String,
    pub(super) fields: Fields,
    /// The digest that the signature is of, where it is not the scheme's.
    pub(super) digest: Option<Algorithm>,
}

pub(super) fn owned(headers: Headers<'_>) -> Fields {
    let own = |header: &Header<'_>| (header.name.to_owned(), header.value.to_owned());
    headers.0.iter().map(own).collect()
}

pub(super) fn borrowed(fields: &Fields) -> Vec<Header<'_>> {
    let fields = fields.iter();
    fields.map(|(name, value)| Header { name, value }).collect()
}

/// With the value of one header, by its full name, replaced.
pub(super) fn replaced(fields: &Fields, name: &str, value: &str) -> Fields {
    let mut fields = without(fields, name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

fn without(fields: &Fields, name: &str) -> Fields {
    let others = fields
        .iter()
        .filter(|(own, _)| !own.eq_ignore_ascii_case(name));
    others.cloned().collect()
}

/// The names of the headers that hold signatures, for a brand.
pub(super) fn signature_headers(rules: &TextRules, brand: &str) -> Vec<String> {
    let names = match &rules.signature {
        SignaturePlace::Several { headers } => headers.clone(),
        SignaturePlace::Numbered { header } => (1..=3).map(|n| format!("{header}{n}")).collect(),
        other => other.header().map(str::to_owned).into_iter().collect(),
    };
    let names = names.iter().map(|name| branded(brand, name));
    names.collect()
}

/// The names of the other headers that a scheme reads, for a brand.
pub(super) fn other_headers(rules: &TextRules, brand: &str) -> Vec<String> {
    let own = [
        timestamp_header(rules),
        id_header(rules),
        rules.signed_headers.as_deref(),
    ];
    let own = own.into_iter().flatten();
    own.map(|name| branded(brand, name))
        .chain(rules.required_headers.keys().cloned())
        .collect()
}

/// The header of the timestamp, without brand.
pub(super) fn timestamp_header(rules: &TextRules) -> Option<&str> {
    match &rules.timestamp.as_ref()?.place {
        TimestampPlace::Own(Place::Header(name)) => Some(name),
        _ => None,
    }
}

/// The header of the delivery id, without brand.
pub(super) fn id_header(rules: &TextRules) -> Option<&str> {
    match rules.id.as_ref()? {
        Place::Header(name) => Some(name),
        Place::Body { .. } => None,
    }
}

/// The brand that the headers seem to have.
pub(super) fn brand<'r>(rules: &'r TextRules, fields: &Fields) -> &'r str {
    let has = |name: &String| fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut brands = rules.header_prefixes.iter().map(String::as_str);
    let first = brands.clone().next().unwrap_or_default();
    let carried = brands.find(|brand| {
        signature_headers(rules, brand).iter().any(has)
            || other_headers(rules, brand).iter().any(has)
    });
    carried.unwrap_or(first)
}

/// The repairs, from the smallest on. Each has the names of the headers right.
pub(super) fn repairs(rules: &TextRules, fields: &Fields) -> Vec<Repaired> {
    let mut found = Vec::new();
    let named = renamed(rules, fields);
    let fields = named.as_ref().map_or(fields, |named| &named.fields).clone();
    found.extend(named);
    found.extend(undoubled(rules, &fields));
    let single = found.last().map_or(&fields, |last| &last.fields).clone();
    found.extend(trimmed(&single));
    found.extend(typed(rules, &single));
    found.extend(required(rules, &single));
    found.extend(reformed(rules, &single));
    found
}

/// With every expected header under its name, where one is there under a name like it.
fn renamed(rules: &TextRules, fields: &Fields) -> Option<Repaired> {
    let mut repaired = fields.clone();
    let mut notes = Vec::new();
    let mut code = CauseCode::HeaderMalformed;
    for brand in &rules.header_prefixes {
        let signatures = signature_headers(rules, brand);
        for expected in signatures.iter().chain(&other_headers(rules, brand)) {
            let is_there = repaired
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(expected));
            let near = fields
                .iter()
                .find(|(name, _)| forms::resembles(name, expected));
            let (false, Some((_, value))) = (is_there, near) else {
                continue;
            };
            if signatures.contains(expected) {
                code = CauseCode::SignatureForm;
            }
            repaired.push((expected.clone(), value.clone()));
            notes.push(format!("`{expected}`"));
        }
        if !notes.is_empty() {
            break;
        }
    }
    (!notes.is_empty()).then(|| Repaired {
        code,
        what: format!(
            "holds, but headers came under other names than the scheme's: {}",
            notes.join(", ")
        ),
        fields: repaired,
        digest: None,
    })
}

/// With the first, then with the last of fields that stand twice.
fn undoubled(rules: &TextRules, fields: &Fields) -> Vec<Repaired> {
    let brand = brand(rules, fields);
    let kind = rules.reads_forms().then(|| CONTENT_TYPE.to_owned());
    let expected: Vec<_> = signature_headers(rules, brand)
        .into_iter()
        .chain(other_headers(rules, brand))
        .chain(kind)
        .collect();
    let values = |name: &String| -> Vec<&String> {
        let own = fields
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value).collect()
    };
    let doubled: Vec<_> = expected
        .iter()
        .filter(|name| values(name).len() > 1)
        .collect();
    if doubled.is_empty() {
        return Vec::new();
    }
    let names: Vec<_> = doubled.iter().map(|name| format!("`{name}`")).collect();
    let pick = |last: bool| {
        let mut picked = fields.clone();
        for name in &doubled {
            let values = values(name);
            let value = if last { values.last() } else { values.first() };
            picked = replaced(&picked, name, value.map_or("", |value| value));
        }
        Repaired {
            code: CauseCode::HeaderMalformed,
            what: format!(
                "holds with one of them alone, but headers stand more than once: {}",
                names.join(", ")
            ),
            fields: picked,
            digest: None,
        }
    };
    vec![pick(true), pick(false)]
}

fn trimmed(fields: &Fields) -> Option<Repaired> {
    let trim = |value: &str| value.trim_matches([' ', '\t', '"', '\'']).to_owned();
    let trimmed: Fields = fields
        .iter()
        .map(|(name, value)| (name.trim().to_owned(), trim(value)))
        .collect();
    (trimmed != *fields).then(|| Repaired {
        code: CauseCode::HeaderMalformed,
        what: "holds, but headers came with white space or quotes around their values".to_owned(),
        fields: trimmed,
        digest: None,
    })
}

/// With a Content-Type that says what the body is, where the scheme asks it and it says nothing or something else.
fn typed(rules: &TextRules, fields: &Fields) -> Vec<Repaired> {
    if !rules.reads_forms() {
        return Vec::new();
    }
    let is_kind = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(CONTENT_TYPE);
    let fault = match fields.iter().find(is_kind) {
        None => "is missing",
        Some(_) => "says something else",
    };
    let kinds = [(FORM, "a form"), ("application/json", "no form")];
    let typed = kinds.into_iter().map(|(kind, what)| Repaired {
        code: CauseCode::HeaderMalformed,
        what: format!(
            "holds if the body is read as {what}, but the header `{CONTENT_TYPE}` {fault}"
        ),
        fields: replaced(fields, CONTENT_TYPE, kind),
        digest: None,
    });
    typed.collect()
}

/// With the values that the scheme fixes.
fn required(rules: &TextRules, fields: &Fields) -> Option<Repaired> {
    let mut repaired = fields.clone();
    for (name, value) in &rules.required_headers {
        repaired = replaced(&repaired, name, value);
    }
    let names: Vec<_> = rules
        .required_headers
        .keys()
        .map(|name| format!("`{name}`"))
        .collect();
    (!names.is_empty()).then(|| Repaired {
        code: CauseCode::HeaderMalformed,
        what: format!(
            "holds, but headers do not have the value that the scheme fixes: {}",
            names.join(", ")
        ),
        fields: repaired,
        digest: None,
    })
}

/// With every signature that can be read anywhere, written as the scheme has it.
fn reformed(rules: &TextRules, fields: &Fields) -> Vec<Repaired> {
    let brand = brand(rules, fields);
    let own = signature_headers(rules, brand);
    let is_own = |name: &str| own.iter().any(|own| own.eq_ignore_ascii_case(name));
    let suspects = fields
        .iter()
        .filter(|(name, _)| !is_own(name) && is_suspect(name));
    let all = fields
        .iter()
        .filter(|(name, _)| is_own(name))
        .chain(suspects.take(MAX_SUSPECTS));
    let mut found = Vec::new();
    for (name, value) in all {
        for reading in forms::readings(value, &LENGTHS) {
            if found.len() >= MAX_REFORMED {
                return found;
            }
            let Some(digest) = digest_of(rules, reading.bytes.len()) else {
                continue;
            };
            let Some(fields) = written(rules, brand, fields, value, &reading) else {
                continue;
            };
            let is_list =
                value.contains(',') && matches!(rules.signature, SignaturePlace::Single { .. });
            let code = match is_own(name) && is_list {
                true => CauseCode::HeaderMalformed,
                false => CauseCode::SignatureForm,
            };
            found.push(Repaired {
                code,
                what: describe(rules, brand, is_own(name).then_some(()), &reading, digest),
                fields,
                digest: Some(digest).filter(|digest| *digest != rules.digest),
            });
        }
    }
    found
}

/// Whether a header of this name may hold a signature.
pub(super) fn is_suspect(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "sign", "hmac", "digest", "hash", "token", "auth", "svix", "webhook",
    ];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
}

/// The digest that a signature of this length is of, if its key can be the scheme's.
fn digest_of(rules: &TextRules, length: usize) -> Option<Algorithm> {
    let is_mac = |algorithm| matches!(algorithm, Algorithm::HmacSha256 | Algorithm::HmacSha1);
    if rules.digest.signature_bytes().contains(&length) && rules.digest != Algorithm::Token {
        return Some(rules.digest);
    }
    match length {
        20 if is_mac(rules.digest) => Some(Algorithm::HmacSha1),
        32 if is_mac(rules.digest) => Some(Algorithm::HmacSha256),
        _ => None,
    }
}

/// The fields with the signature where and how the scheme has it.
fn written(
    rules: &TextRules,
    brand: &str,
    fields: &Fields,
    value: &str,
    reading: &Reading,
) -> Option<Fields> {
    let name = signature_headers(rules, brand).into_iter().next()?;
    let text = rules.encoding.encode_bytes(&reading.bytes);
    let text = match &rules.signature {
        SignaturePlace::Single { prefix, .. } => format!("{prefix}{text}"),
        SignaturePlace::Pairs { key, separator, .. } => {
            let pairs = value.split([',', ';']).map(str::trim);
            let others =
                pairs.filter(|pair| !pair.starts_with(&format!("{key}=")) && pair.contains('='));
            let own = format!("{key}={text}");
            let pairs: Vec<_> = others.chain([own.as_str()]).collect();
            pairs.join(&separator.to_string())
        }
        SignaturePlace::Versions { key, .. } => format!("{key},{text}"),
        SignaturePlace::Several { .. } | SignaturePlace::Numbered { .. } => text,
        _ => return None,
    };
    Some(replaced(fields, &name, &text))
}

fn describe(
    rules: &TextRules,
    brand: &str,
    in_place: Option<()>,
    reading: &Reading,
    digest: Algorithm,
) -> String {
    let place = match in_place {
        Some(()) => "",
        None => " in another header,",
    };
    let other = match digest == rules.digest {
        true => String::new(),
        false => format!(" as {},", digest.describe()),
    };
    let header = signature_headers(rules, brand)
        .into_iter()
        .next()
        .unwrap_or_default();
    format!(
        "is right in content, but stands{place}{other} {}, or with other marks around it; the scheme has {} in \
         {}, in `{header}`",
        reading.what,
        rules.digest.describe(),
        rules.encoding.describe(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Rules};

    fn rules(scheme: &str) -> &'static TextRules {
        match &Catalogue::builtin().scheme(scheme).unwrap().rules {
            Rules::Webhook(rules) => rules.text().unwrap(),
            _ => panic!("{scheme} is no webhook scheme"),
        }
    }

    fn fields(all: &[(&str, &str)]) -> Fields {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().map(own).collect()
    }

    fn gives(
        scheme: &str,
        received: &[(&str, &str)],
        name: &str,
        value: &str,
    ) -> Option<CauseCode> {
        let repairs = repairs(rules(scheme), &fields(received));
        let wanted = (name.to_owned(), value.to_owned());
        let found = repairs.into_iter().find(|it| it.fields.contains(&wanted));
        found.map(|repaired| repaired.code)
    }

    #[test]
    fn a_header_full_of_signatures_is_read_so_far_and_no_further() {
        let many = |n: u8| {
            (0..60)
                .map(|at| hex::encode([n ^ at; 32]))
                .collect::<Vec<_>>()
                .join(",")
        };
        let names = [
            "X-Hub-Signature-256",
            "X-My-Signature",
            "X-Hmac",
            "X-Digest",
        ];
        let values: Vec<_> = (0..4).map(|n| many(n * 64)).collect();
        let received: Vec<_> = names
            .into_iter()
            .zip(values.iter().map(String::as_str))
            .collect();
        let repairs = repairs(rules("github.webhook"), &fields(&received));
        assert!(repairs.len() <= MAX_REFORMED + 5);
    }

    #[test]
    fn headers_are_repaired_in_name_number_and_form() {
        let hex = "ab".repeat(32);
        let value = format!("sha256={hex}");
        let name = "X-Hub-Signature-256";
        let form = Some(CauseCode::SignatureForm);
        let malformed = Some(CauseCode::HeaderMalformed);
        for (received, code) in [
            (vec![("HTTP_X_HUB_SIGNATURE_256", value.as_str())], form),
            (vec![(name, hex.as_str())], form),
            (vec![(name, &format!("\"{value}\""))], malformed),
            (vec![(name, &value), (name, "sha256=00")], malformed),
            (vec![(name, &format!("{value}, {value}"))], malformed),
            (vec![("X-My-Signature", &hex)], form),
        ] {
            assert_eq!(
                gives("github.webhook", &received, name, &value),
                code,
                "{received:?}"
            );
        }
        let stripe = [(
            "stripe-signature",
            "t=1;v1=q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
        )];
        assert_eq!(
            gives(
                "stripe.webhook",
                &stripe,
                "Stripe-Signature",
                &format!("t=1,v1={hex}")
            ),
            form
        );
    }
}
