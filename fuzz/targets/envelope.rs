//! Sealed texts as a disk gives them back: at the place they were sealed for, moved, cut or edited. What opens is what was
//! sealed there.
#![no_main]

use arbitrary::Arbitrary;
use countersign_core::SecretName;
use countersign_server::fuzzing::{At, Envelope, Row};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    place: Place<'a>,
    other: Place<'a>,
    text: &'a [u8],
    /// A row that nobody sealed.
    raw: [&'a [u8]; 3],
    edits: Vec<(Part, Edit)>,
}

#[derive(Arbitrary, Debug)]
struct Place<'a> {
    is_answer: bool,
    secret_id: i64,
    name: &'a str,
    version: u32,
    scheme: &'a str,
}

#[derive(Arbitrary, Debug)]
enum Part {
    Kek,
    Wrapped,
    Text,
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Flip(u16, u8),
    Cut(u16),
    Lengthen(u8),
}

fuzz_target!(|input: Input<'_>| {
    let envelope = Envelope::new([1; 32], None, [7; 16]);
    let at = input.place.at();
    let [kek, wrapped, text] = input.raw.map(<[u8]>::to_vec);
    let forged = Row { kek, wrapped, text };
    assert_eq!(envelope.open(&at, &forged), None);

    let row = envelope.seal(&at, input.text);
    assert_eq!(envelope.open(&at, &row).as_deref(), Some(input.text));
    assert_ne!(envelope.seal(&at, input.text), row);
    let other = input.other.at();
    if other != at {
        assert_eq!(envelope.open(&other, &row), None);
    }
    let mixed = Row {
        text: row.text.clone(),
        ..envelope.seal(&at, input.text)
    };
    assert_eq!(envelope.open(&at, &mixed), None);
    check_edited(&envelope, &at, &row, &input.edits);
    check_rewrapped(&at, &row, input.text);
});

fn check_edited(envelope: &Envelope, at: &At, row: &Row, edits: &[(Part, Edit)]) {
    let mut edited = row.clone();
    for (part, edit) in edits {
        let bytes = match part {
            Part::Kek => &mut edited.kek,
            Part::Wrapped => &mut edited.wrapped,
            Part::Text => &mut edited.text,
        };
        let length = bytes.len();
        match edit {
            Edit::Flip(index, bit) if length > 0 => {
                bytes[usize::from(*index) % length] ^= 1 << (bit % 8);
            }
            Edit::Flip(..) => {}
            Edit::Cut(index) => bytes.truncate(usize::from(*index) % length.max(1)),
            Edit::Lengthen(byte) => bytes.push(*byte),
        }
    }
    if edited != *row {
        assert_eq!(envelope.open(at, &edited), None);
    }
}

/// A new key-encryption key changes nothing but the wrapping, and another deployment or key opens nothing.
fn check_rewrapped(at: &At, row: &Row, text: &[u8]) {
    let next = Envelope::new([2; 32], Some([1; 32]), [7; 16]);
    assert_eq!(next.open(at, row).as_deref(), Some(text));
    let rewrapped = next.rewrap(at, row).expect("the old key is there");
    assert_eq!(rewrapped.text, row.text);
    let later = Envelope::new([2; 32], None, [7; 16]);
    assert_eq!(later.open(at, &rewrapped).as_deref(), Some(text));
    assert_eq!(later.open(at, row), None);
    assert_eq!(later.rewrap(at, row), None);
    let elsewhere = Envelope::new([2; 32], None, [8; 16]);
    assert_eq!(elsewhere.open(at, &rewrapped), None);
}

impl Place<'_> {
    fn at(&self) -> At {
        let name = SecretName::parse(self.name);
        At {
            is_answer: self.is_answer,
            secret_id: self.secret_id,
            name: name.unwrap_or_else(|_| SecretName::parse("a/b").expect("a name")),
            version: self.version,
            scheme: self.scheme.to_owned(),
        }
    }
}
