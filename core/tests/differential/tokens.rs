//! Tokens of every kind: well formed ones, ones with something that a row speaks of, and both of them spoilt, before
//! they are signed or after.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What signs them.
pub(crate) const KEY: &[u8] = b"a key of thirty-two bytes or more";

const ALGORITHMS: [&str; 9] = [
    r#""alg":"HS256""#,
    r#""alg":"none""#,
    r#""alg":"hs256""#,
    r#""alg":"HS512""#,
    r#""alg":["HS256"]"#,
    r#""typ":"JWT""#,
    r#""alg":"HS256","alg":"HS256""#,
    r#""\u0061lg":"HS256""#,
    r#""alg":"\u0048S256""#,
];

const HEADER_MEMBERS: [&str; 28] = [
    r#""typ":"JWT""#,
    r#""x":1"#,
    r#""x":{"y":[]}"#,
    r#""url":"https://example.com""#,
    r#""x":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"#,
    r#""nonce":5"#,
    r#""x5t":5"#,
    r##""x5t#S256":[]"##,
    r#""typ":5"#,
    r#""kid":5"#,
    r#""x5u":5"#,
    r#""x":1,"x":2"#,
    r#""crit":["y"],"y":1"#,
    r#""crit":[]"#,
    r#""crit":["absent"]"#,
    r#""b64":false"#,
    r#""b64":true"#,
    r#""zip":"DEF""#,
    r#""enc":"A128GCM""#,
    r#""cty":"JWT""#,
    r#""typ":"at+jwt""#,
    r#""typ":null"#,
    r#""jku":"https://evil.example""#,
    r#""jwk":{"kty":"oct","k":"AAAA"}"#,
    r#""x5c":["AAAA"]"#,
    r#""kid":"1""#,
    r#""kid":"""#,
    r#""kid":null"#,
];

const SUBJECTS: [&str; 9] = [
    r#""sub":"u1""#,
    r#""sub":"u1","sub":"u2""#,
    r#""s\u0075b":"u1""#,
    r#""user":"u1""#,
    r#""sub":"""#,
    r#""sub":42"#,
    r#""sub":null"#,
    r#""sub":["u1"]"#,
    r#""sub":"u\n1""#,
];

const ENDS: [&str; 23] = [
    r#""exp":4000000000"#,
    r#""exp":4000000000.5"#,
    r#""exp":4.1e9"#,
    r#""e\u0078p":4000000000"#,
    r#""exp":1000000000"#,
    r#""exp":1e9"#,
    r#""exp":0"#,
    r#""exp":-0"#,
    r#""exp":-1"#,
    r#""exp":1e400"#,
    r#""exp":"4000000000""#,
    r#""exp":true"#,
    r#""exp":null"#,
    r#""exp":[4000000000]"#,
    r#""x":"no exp""#,
    r#""exp":4000000000,"exp":4000000000"#,
    r#""exp":18446744073709551616"#,
    r#""exp":1e300"#,
    r#""exp":9000000000000000000"#,
    r#""exp":18446744073709551615"#,
    r#""exp":4000000000000"#,
    r#""exp":6100000000"#,
    r#""exp":{"x":4000000000}"#,
];

const CLAIMS: [&str; 28] = [
    r#""name":"Ada""#,
    r#""email":"a@b.c""#,
    r#""plan":{"tier":[1,2.5,null]}"#,
    r#""iat":1000000000"#,
    r#""nbf":1000000000"#,
    r#""nbf":1000000000.5"#,
    r#""jti":"1""#,
    r#""iss":"anyone""#,
    r#""nbf":3900000000"#,
    r#""nbf":"1000000000""#,
    r#""nbf":-1"#,
    r#""aud":"app""#,
    r#""aud":["app"]"#,
    r#""aud":[]"#,
    r#""x":"\ud800""#,
    r#""x":1,"#,
    r#""role":1,"role":2"#,
    r#""x":{"role":1,"r\u006fle":2}"#,
    r#""x":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"#,
    r#""nbf":null"#,
    r#""iat":3900000000"#,
    r#""iat":"soon""#,
    r#""iat":4200000000"#,
    r#""aud":5"#,
    r#""aud":null"#,
    r#""iss":5"#,
    r#""name":{"first":"Ada"}"#,
    r#""email":5"#,
];

const FRAMES: [(&str, &str); 9] = [
    ("{", "}"),
    ("{", "}"),
    ("{", "}"),
    ("{", "}"),
    (" {\n", "\t}\r\n"),
    ("{", "}x"),
    ("{", "}{}"),
    ("\u{feff}{", "}"),
    ("", ""),
];

/// Which the other library reads as `exp`, `nbf`, `sub`, `iss`, `aud`.
const ARRAY: &str = r#"[4000000000,1000000000,"u1",null,null]"#;

/// What is put into a text to spoil it.
const BITS: [&str; 24] = [
    "\"", "\\", "{", "}", "[", "]", ",", ":", ".", "-", "+", "0", "9", "e", "a", "JWT", "null",
    "\\u0000", " ", "\t", "\n", "\0", "é", "_",
];

/// SplitMix64: deterministic, so that a failure repeats.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn any<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.roll(from.len())]
    }

    /// The first most of the time, else any.
    fn mostly_first<'t>(&mut self, from: &[&'t str]) -> &'t str {
        if self.roll(4) > 0 {
            from[0]
        } else {
            self.any(from)
        }
    }
}

/// A token, and what it was before it was encoded.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    #[expect(dead_code, reason = "shown when a test fails")]
    made_of: [String; 2],
}

impl Token {
    pub(crate) fn generate(dice: &mut Dice) -> Self {
        let plain = dice.roll(3) == 0;
        let mut made_of = [header(dice, plain), payload(dice, plain)];
        if dice.roll(4) == 0 {
            let part = &mut made_of[dice.roll(2)];
            for _ in 0..=dice.roll(2) {
                *part = spoil(part, dice);
            }
        }
        let sealed = seal(&made_of);
        let text = match dice.roll(24) {
            0 => sealed[..sealed.len() - 1 - dice.roll(43)].to_owned(),
            1 => format!("{sealed}="),
            2 => sealed.replacen('.', "..", 1),
            3 => format!("{sealed}{}", &sealed[sealed.len() - 1..]),
            4 => sealed.to_ascii_lowercase(),
            5 => spoil(&sealed, dice),
            _ => sealed,
        };
        Self { text, made_of }
    }
}

/// How many of the first of each list are good in every respect.
struct Plain {
    header_members: usize,
    ends: usize,
    claims: usize,
    frames: usize,
}

const PLAIN: Plain = Plain {
    header_members: 4,
    ends: 4,
    claims: 8,
    frames: 5,
};

fn header(dice: &mut Dice, plain: bool) -> String {
    let (mut members, others) = match plain {
        true => (vec![ALGORITHMS[0]], &HEADER_MEMBERS[..PLAIN.header_members]),
        false => (vec![dice.mostly_first(&ALGORITHMS)], &HEADER_MEMBERS[..]),
    };
    for _ in 0..dice.roll(3) {
        members.push(dice.any(others));
    }
    format!("{{{}}}", members.join(","))
}

fn payload(dice: &mut Dice, plain: bool) -> String {
    if !plain && dice.roll(40) == 0 {
        return ARRAY.to_owned();
    }
    let (subjects, ends, claims, frames) = match plain {
        true => (
            &SUBJECTS[..1],
            &ENDS[..PLAIN.ends],
            &CLAIMS[..PLAIN.claims],
            &FRAMES[..PLAIN.frames],
        ),
        false => (&SUBJECTS[..], &ENDS[..], &CLAIMS[..], &FRAMES[..]),
    };
    let mut members = vec![dice.mostly_first(subjects), dice.mostly_first(ends)];
    for _ in 0..dice.roll(4) {
        members.push(dice.any(claims));
    }
    let (open, close) = frames[dice.roll(frames.len())];
    format!("{open}{}{close}", members.join(","))
}

/// Takes a character out, puts something in, or doubles a stretch.
fn spoil(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = dice.roll(chars.len().max(1));
    let end = chars.len().min(at + 1 + dice.roll(8));
    match dice.roll(4) {
        0 => drop(chars.splice(at..end.min(at + 1), [])),
        1 => drop(chars.splice(at..at, dice.any(&BITS).chars())),
        2 => drop(chars.splice(at..end.min(at + 1), dice.any(&BITS).chars())),
        _ => {
            let stretch = chars[at..end].to_vec();
            chars.splice(at..at, stretch);
        }
    }
    chars.into_iter().collect()
}

fn seal(made_of: &[String; 2]) -> String {
    let [header, payload] = made_of.each_ref().map(|part| URL_SAFE_NO_PAD.encode(part));
    let signing_input = format!("{header}.{payload}");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(signing_input.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signing_input}.{signature}")
}
