//! Our verdict against that of crate jsonwebtoken over generated tokens. It is no judge: it accepts what the rows
//! J08 to J64 refuse. So every ingredient that the two may disagree about carries the row that says so, and any
//! other disagreement fails.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::*;

const TOKENS: usize = 20_000;

/// Its clock is the machine's, so generated times lie decades before or after any run of this test.
const TEST_NOW: i64 = 1_800_000_000;

/// Something a token may contain, and the row under which jsonwebtoken takes what we refuse, if there is one.
type Ingredient = (&'static str, Option<&'static str>);

const ALGORITHMS: [Ingredient; 9] = [
    (r#""alg":"HS256""#, None),
    (r#""alg":"none""#, None),
    (r#""alg":"hs256""#, None),
    (r#""alg":"HS512""#, None),
    (r#""alg":["HS256"]"#, None),
    (r#""typ":"JWT""#, None),
    (r#""alg":"HS256","alg":"HS256""#, None),
    (r#""\u0061lg":"HS256""#, Some("J08")),
    (r#""alg":"\u0048S256""#, Some("J08")),
];

const HEADER_MEMBERS: [Ingredient; 22] = [
    (r#""typ":"JWT""#, None),
    (r#""x":1"#, None),
    (r#""x":{"y":[]}"#, None),
    (r#""url":"https://example.com""#, None),
    (r#""typ":5"#, None),
    (r#""kid":5"#, None),
    (r#""x5u":5"#, None),
    (r#""x":1,"x":2"#, Some("J10")),
    (r#""crit":["y"],"y":1"#, Some("J11")),
    (r#""crit":[]"#, Some("J12")),
    (r#""crit":["absent"]"#, Some("J12")),
    (r#""b64":false"#, Some("J13")),
    (r#""zip":"DEF""#, Some("J14")),
    (r#""enc":"A128GCM""#, Some("J15")),
    (r#""cty":"JWT""#, Some("J16")),
    (r#""typ":"at+jwt""#, Some("J17")),
    (r#""typ":null"#, Some("J18")),
    (r#""jku":"https://evil.example""#, Some("J19")),
    (r#""jwk":{"kty":"oct","k":"AAAA"}"#, Some("J19")),
    (r#""kid":"1""#, Some("J20")),
    (r#""kid":"""#, Some("J25")),
    (r#""kid":null"#, Some("J25")),
];

const ENDS: [Ingredient; 22] = [
    (r#""exp":4000000000"#, None),
    (r#""exp":4000000000.5"#, None),
    (r#""exp":4.1e9"#, None),
    (r#""e\u0078p":4000000000"#, None),
    (r#""exp":1000000000"#, None),
    (r#""exp":1e9"#, None),
    (r#""exp":0"#, None),
    (r#""exp":-0"#, None),
    (r#""exp":-1"#, None),
    (r#""exp":1e400"#, None),
    (r#""exp":"4000000000""#, None),
    (r#""exp":true"#, None),
    (r#""exp":null"#, None),
    (r#""exp":[4000000000]"#, None),
    (r#""x":"no exp""#, None),
    (r#""exp":4000000000,"exp":4000000000"#, None),
    (r#""exp":18446744073709551616"#, None),
    (r#""exp":1e300"#, None),
    (r#""exp":9000000000000000000"#, Some("J51")),
    (r#""exp":18446744073709551615"#, Some("J51")),
    (r#""exp":4000000000000"#, Some("J52")),
    (r#""exp":6100000000"#, Some("J58")),
];

const SUBJECTS: [Ingredient; 8] = [
    (r#""sub":"u1""#, None),
    (r#""sub":"u1","sub":"u2""#, None),
    (r#""s\u0075b":"u1""#, None),
    (r#""user":"u1""#, Some("J60")),
    (r#""sub":"""#, Some("J60")),
    (r#""sub":42"#, Some("J60")),
    (r#""sub":null"#, Some("J60")),
    (r#""sub":"u\n1""#, Some("J60")),
];

const CLAIMS: [Ingredient; 26] = [
    (r#""name":"Ada""#, None),
    (r#""email":"a@b.c""#, None),
    (r#""plan":{"tier":[1,2.5,null]}"#, None),
    (r#""iat":1000000000"#, None),
    (r#""nbf":1000000000"#, None),
    (r#""nbf":1000000000.5"#, None),
    (r#""jti":"1""#, None),
    (r#""iss":"anyone""#, None),
    (r#""nbf":3900000000"#, None),
    (r#""nbf":"1000000000""#, None),
    (r#""nbf":-1"#, None),
    (r#""aud":"app""#, None),
    (r#""aud":["app"]"#, None),
    (r#""x":"\ud800""#, None),
    (r#""x":1,"#, None),
    (r#""role":1,"role":2"#, Some("J47")),
    (r#""x":{"role":1,"r\u006fle":2}"#, Some("J47")),
    (
        r#""x":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"#,
        Some("J39"),
    ),
    (r#""nbf":null"#, None),
    (r#""iat":3900000000"#, Some("J57")),
    (r#""iat":"soon""#, Some("J57")),
    (r#""iat":4200000000"#, Some("J59")),
    (r#""aud":5"#, Some("J63")),
    (r#""aud":null"#, Some("J63")),
    (r#""iss":5"#, Some("J65")),
    (r#""email":5"#, Some("claims of the identity are text")),
];

const FRAMES: [(&str, &str); 8] = [
    ("{", "}"),
    ("{", "}"),
    ("{", "}"),
    (" {\n", "\t}\r\n"),
    ("{", "}x"),
    ("{", "}{}"),
    ("\u{feff}{", "}"),
    ("", ""),
];

/// The only tokens that we accept and it rejects: members that neither RFC 7519 nor a scheme gives a meaning here are
/// not read, so they may be of any type.
const UNREAD: &str = "\"x5t\":5";

/// A payload that jsonwebtoken reads as `exp`, `nbf`, `sub`, `iss`, `aud`.
const ARRAY: &str = r#"[4000000000,1000000000,"u1",null,null]"#;

/// SplitMix64: deterministic, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn any(&mut self, from: &[Ingredient]) -> &'static str {
        from[self.roll(from.len())].0
    }

    /// The first ingredient most of the time, else any.
    fn mostly_first(&mut self, from: &[Ingredient]) -> &'static str {
        if self.roll(4) > 0 {
            from[0].0
        } else {
            self.any(from)
        }
    }
}

#[derive(Default, Debug)]
struct Recipe {
    header: Vec<&'static str>,
    payload: Vec<&'static str>,
}

impl Recipe {
    fn roll(dice: &mut Dice) -> (Self, String) {
        let mut recipe = Self::default();
        recipe.header.push(dice.mostly_first(&ALGORITHMS));
        for _ in 0..dice.roll(3) {
            recipe.header.push(dice.any(&HEADER_MEMBERS));
        }
        if dice.roll(50) == 0 {
            recipe.header.push(UNREAD);
        }
        recipe.payload.push(dice.mostly_first(&SUBJECTS));
        recipe.payload.push(dice.mostly_first(&ENDS));
        for _ in 0..dice.roll(4) {
            recipe.payload.push(dice.any(&CLAIMS));
        }
        let token = recipe.cook(dice);
        (recipe, token)
    }

    fn cook(&mut self, dice: &mut Dice) -> String {
        let (open, close) = FRAMES[dice.roll(FRAMES.len())];
        let payload = if dice.roll(40) == 0 {
            self.payload = vec![ARRAY];
            ARRAY.to_owned()
        } else {
            format!("{open}{}{close}", self.payload.join(","))
        };
        let token = seal(format!("{{{}}}", self.header.join(",")), payload);
        match dice.roll(20) {
            0 => token[..token.len() - 1 - dice.roll(43)].to_owned(),
            1 => format!("{token}="),
            2 => token.replacen('.', "..", 1),
            3 => format!("{token}{}", &token[token.len() - 1..]),
            4 => token.to_ascii_lowercase(),
            _ => token,
        }
    }

    /// The rows under which jsonwebtoken may accept what we refuse.
    fn rows(&self) -> BTreeSet<&'static str> {
        let known = || ingredients().chain([(ARRAY, Some("J41"))]);
        let members = self.header.iter().chain(&self.payload);
        let row = |member: &&str| known().find(|(text, _)| text == member)?.1;
        let mut rows: BTreeSet<_> = members.filter_map(row).collect();
        rows.extend(repeats(&self.header).then_some("J10"));
        rows.extend(repeats(&self.payload).then_some("J47"));
        rows
    }
}

fn ingredients() -> impl Iterator<Item = Ingredient> {
    [&ALGORITHMS[..], &HEADER_MEMBERS, &SUBJECTS, &ENDS, &CLAIMS]
        .into_iter()
        .flatten()
        .copied()
}

/// Whether two members were drawn with one name: a duplicate, which jsonwebtoken takes where it does not read it.
fn repeats(members: &[&str]) -> bool {
    let names = || members.iter().filter_map(|member| member.split('"').nth(1));
    names().count() != names().collect::<BTreeSet<_>>().len()
}

fn ours(token: &str) -> bool {
    let key = key(KEY);
    let keys = [TokenKey {
        version: 1,
        key_id: None,
        key: &key,
    }];
    let rules = rules("max_lifetime_secs = 4200000000");
    let now = Timestamp::from_unix_secs(TEST_NOW);
    verify(&rules, &BTreeMap::new(), keys.into_iter(), token, 0, now).is_ok()
}

fn theirs(token: &str) -> bool {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(KEY), &validation).is_ok()
}

#[test]
fn jsonwebtoken_disagrees_only_where_a_row_says_so() {
    let mut dice = Dice(7515);
    let (mut both, mut unread) = (0, 0);
    let mut stood_alone = BTreeSet::new();
    for _ in 0..TOKENS {
        let (recipe, token) = Recipe::roll(&mut dice);
        match (ours(&token), theirs(&token)) {
            (true, true) => both += 1,
            (false, false) => {}
            (true, false) => {
                assert!(recipe.header.contains(&UNREAD), "only we accept {recipe:?}");
                unread += 1;
            }
            (false, true) => {
                let rows = recipe.rows();
                assert!(!rows.is_empty(), "only it accepts {recipe:?}");
                stood_alone.extend(rows.iter().next().filter(|_| rows.len() == 1));
            }
        }
    }
    assert!(both > 500 && unread > 0, "{both} {unread}");
    // Each row explained a disagreement alone at least once, so none of them is an idle excuse.
    let mut rows: BTreeSet<_> = ingredients().filter_map(|(_, row)| row).collect();
    rows.insert("J41");
    assert_eq!(stood_alone, rows);
}
