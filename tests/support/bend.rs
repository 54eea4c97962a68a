//! Good messages bent in every way, by a generator that rolls the same numbers on every run.

use prost::encoding::{decode_varint, encode_varint};

/// Xorshift64*.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll().to_be_bytes()[0]).collect()
    }
}

/// Flips, cuts, repeats and inserts bytes; few of the results are messages.
pub fn bend_bytes(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => bytes.extend_from_within(at..),
            3 => bytes.extend(dice.bytes(5)),
            _ => bytes.insert(at, dice.bytes(1)[0]),
        }
    }
    bytes
}

const NUMBERS: [u64; 12] = [
    0,
    1,
    2,
    99,
    999_999_999,
    1_000_000_000,
    1 << 31,
    (1 << 31) - 1,
    1 << 63,
    (1 << 63) - 1,
    u64::MAX,
    253_402_300_800,
];

const TEXTS: [&str; 14] = [
    "",
    " ",
    "\0",
    "..",
    "acme/chat",
    "acme/token",
    "acme/hook",
    "acme/spare",
    "talkjs.webhook",
    "'; DROP TABLE secrets; --",
    "\u{1f600}\u{202e}\u{feff}",
    "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
    "-9223372036854775808",
    "whsec_",
];

enum Value {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
}

type Field = (u64, Value);

/// Bends the fields of a message and of those within it; the result is a message still.
pub fn bend_fields(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let Some(mut fields) = read(bytes).filter(|fields| !fields.is_empty()) else {
        return text(dice);
    };
    for _ in 0..=dice.below(2) {
        let at = dice.below(fields.len());
        match dice.below(8) {
            0 => fields[at].0 = u64::try_from(dice.below(16)).unwrap() + 1,
            1 if fields.len() > 1 => drop(fields.remove(at)),
            2 => fields.push((
                u64::try_from(dice.below(16)).unwrap() + 1,
                Value::Varint(dice.one_of(&NUMBERS)),
            )),
            3 => fields.push((
                u64::try_from(dice.below(16)).unwrap() + 1,
                Value::Bytes(text(dice)),
            )),
            _ => {
                let bent = match &fields[at].1 {
                    Value::Varint(_) => Value::Varint(dice.one_of(&NUMBERS)),
                    Value::Fixed(bytes) => Value::Fixed(dice.bytes(bytes.len())),
                    Value::Bytes(bytes) if dice.below(5) > 0 => {
                        Value::Bytes(bend_fields(bytes, dice))
                    }
                    Value::Bytes(_) => Value::Bytes(text(dice)),
                };
                fields[at].1 = bent;
            }
        }
    }
    write(&fields)
}

fn text(dice: &mut Dice) -> Vec<u8> {
    match dice.below(12) {
        0 => b"long".repeat(dice.below(3000)),
        1 => dice.bytes(16),
        _ => dice.one_of(&TEXTS).into(),
    }
}

fn read(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = decode_varint(&mut bytes).ok()?;
        let value = match key & 7 {
            0 => Value::Varint(decode_varint(&mut bytes).ok()?),
            1 => Value::Fixed(take(&mut bytes, 8)?),
            5 => Value::Fixed(take(&mut bytes, 4)?),
            2 => {
                let len = decode_varint(&mut bytes).ok()?;
                Value::Bytes(take(&mut bytes, usize::try_from(len).ok()?)?)
            }
            _ => return None,
        };
        if !(1..=20).contains(&(key >> 3)) {
            return None;
        }
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn take(bytes: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken.to_vec())
}

fn write(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in fields {
        let (wire, content): (u64, &[u8]) = match value {
            Value::Varint(_) => (0, &[]),
            Value::Fixed(content) if content.len() == 8 => (1, content),
            Value::Fixed(content) => (5, content),
            Value::Bytes(content) => (2, content),
        };
        encode_varint((number << 3) | wire, &mut bytes);
        match value {
            Value::Varint(number) => encode_varint(*number, &mut bytes),
            Value::Fixed(_) => bytes.extend(content),
            Value::Bytes(_) => {
                encode_varint(u64::try_from(content.len()).unwrap(), &mut bytes);
                bytes.extend(content);
            }
        }
    }
    bytes
}
