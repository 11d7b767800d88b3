use fastrand::Rng;
use serde_json::Value;
use shared::models::limits;
use tests::cost::{Filler, Format, Json, Live, Packing, Text};

use crate::routes::UPLOAD;

/// Maximum size of the body of an upload, and of any other, before and after compression: a little less than is accepted.
const UPLOAD_BODY: usize = limits::UPLOAD_BYTES - 4_000;
const OTHER_BODY: usize = limits::BODY_BYTES - 4_000;

/// Maximum number of members or frames that share the content of a body. Compressing them takes longer than reading them.
pub(crate) const MAX_PARTS: usize = 2_000;

/// Maximum size of a header or a parameter.
const MAX_VALUE: usize = 60_000;

/// Code points and words that are costly to normalise, to order, to escape, to parse, to scan or to store.
#[rustfmt::skip]
pub(crate) const UNITS: &[&str] = &[
    "a", "A", " ", "0", "\u{fdfa}", "\u{301}", "\u{301}\u{323}", "\u{315}\u{300}\u{5ae}\u{345}", "a\u{308}\u{323}",
    "\u{ac01}", "\u{1100}\u{1161}\u{11a8}", "ß", "ŉ", "İ", "ΐ", "ﬃ", "\u{1d160}", "\u{3300}", "😀", "\u{200b}",
    "\u{202e}", "é", "密码", "\"", "\\", "\\\"", "\u{1}", "\0", "\n", "\t", "'", "`", "$$", "/*", "--", "((((", "[[[[",
    "{\"a\":", "<a href=", "%00", "%f0%9f%98%80", "..", "/", "@", "a@b.c", ",", ";", "=", "&", "+", "SELECT ",
    "select * from t where a = '", "INSERT INTO t(password) VALUES ('", "SET PASSWORD = ", "pw:", "creds:-", "login:",
    "token=", "password ", "key '", "https://u:p@h/", "eyJhbGciOiJIUzI1NiJ9.", "AKIAIOSFODNN7EXAMPLE ",
    "ghp_0123456789abcdefghij", "-----BEGIN RSA PRIVATE KEY-----", "c2VjcmV0", "Bearer ", "gzip, ", "*;q=0.1, ", "localhost",
    "http://localhost:", "00-0af7651916cd43dd8448eb211c80319c-", "2026-01-01T00:00:00Z", "1970-01-01", "-0", "9", "1e",
    "1e308", "$n", "connection", "saved_query", "query_history",
];

/// Literals: numbers that are long or large, keywords, and no JSON at all.
const LITERALS: &[&str] = &[
    "0",
    "1",
    "9",
    "1e308",
    "1e-400",
    "0.1",
    "-1",
    "123456789012345678901234567890",
    "null",
    "true",
    "\"\"",
    " ",
    "}",
    "]",
];

/// Headers that a server may read.
const HEADERS: &[&str] = &[
    "authorization",
    "x-client-version",
    "user-agent",
    "accept-encoding",
    "origin",
    "traceparent",
    "tracestate",
    "cookie",
    "content-type",
    "content-encoding",
    "content-length",
    "expect",
    "forwarded",
    "x-forwarded-for",
    "x-request-id",
    "accept",
    "access-control-request-headers",
    "access-control-request-method",
    "x-other",
];

/// What requests are made of.
pub(crate) struct Dictionary {
    /// Names of fields and parameters in the OpenAPI document.
    names: Vec<String>,
    /// Values of the account, by the names that stand for them.
    live: Vec<&'static str>,
}

impl Dictionary {
    pub(crate) fn new(document: &Value, live: &Live) -> Self {
        let mut names = Vec::new();
        collect_names(document, &mut names);
        names.sort();
        names.dedup();
        Self { names, live: live.names().collect() }
    }

    pub(crate) fn name(&self, rng: &mut Rng) -> String {
        match rng.choice(&self.names) {
            Some(name) if rng.u8(..4) > 0 => name.clone(),
            _ => any(UNITS, rng).to_owned(),
        }
    }

    pub(crate) fn header(rng: &mut Rng) -> String {
        any(HEADERS, rng).to_owned()
    }

    /// A text of at most `most` bytes. Lengths of all orders of magnitude are equally likely.
    pub(crate) fn text(&self, most: usize, rng: &mut Rng) -> Text {
        if rng.u8(..4) == 0 {
            return Text::of(any(&self.live, rng));
        }
        if rng.bool() {
            let unit = any(UNITS, rng);
            return Text::repeat(unit, most / unit.len());
        }
        let mut pieces = Vec::new();
        for _ in 0..rng.usize(1..=3) {
            let unit = match rng.u8(..8) {
                0 => [any(UNITS, rng), any(UNITS, rng)].concat(),
                1 => self.name(rng),
                _ => any(UNITS, rng).to_owned(),
            };
            let count = if rng.u8(..3) == 0 { 1 } else { magnitude(most / 3 / unit.len().max(1), rng) };
            pieces.push((unit, count));
        }
        Text(pieces)
    }

    /// A text for a header or a parameter.
    pub(crate) fn short_text(&self, rng: &mut Rng) -> Text {
        self.text(MAX_VALUE, rng)
    }

    /// A JSON value of about `most` bytes at most.
    pub(crate) fn json(&self, most: usize, rng: &mut Rng) -> Json {
        let part = |rng: &mut Rng| match rng.u8(..4) {
            0 => Json::Array(Vec::new()),
            1 => Json::Object(vec![(self.name(rng), Json::Literal(Text::of("1")))]),
            2 => Json::Literal(Text::of(any(LITERALS, rng))),
            _ => Json::Text(self.text(100, rng)),
        };
        match rng.u8(..10) {
            0 => Json::Literal(Text::repeat(any(LITERALS, rng), magnitude(most / 4, rng))),
            1 => Json::Escaped(self.text(most / 6, rng)),
            2 => Json::Nested(any(&['[', '{'], rng), magnitude(most / 6, rng)),
            3 => Json::Array(vec![many(part(rng), most, rng)]),
            4 => {
                let (value, count) = many(part(rng), most, rng);
                Json::Object(vec![("*".to_owned(), Json::Fields(Box::new(value), count))])
            }
            5 => {
                let (value, count) = many(part(rng), most, rng);
                Json::Object(vec![("*".to_owned(), Json::Same(Box::new(value), count))])
            }
            _ => Json::Text(self.text(most, rng)),
        }
    }

    pub(crate) fn packing(most: usize, rng: &mut Rng) -> Packing {
        let filler = any(&Filler::ALL, rng);
        let format = any(&[Format::Plain, filler.format(), filler.format()], rng);
        let filling =
            (format != Format::Plain && rng.bool()).then(|| (filler, full_or_less(filler.fitting(most), rng)));
        Packing {
            format,
            by_encoding: rng.bool(),
            parts: if rng.bool() { 1 } else { magnitude(MAX_PARTS, rng) },
            filler: filling,
            cut: if rng.u8(..8) == 0 { magnitude(1_000, rng) } else { 0 },
        }
    }
}

/// A number of times that `part` fits.
fn many(part: Json, most: usize, rng: &mut Rng) -> (Json, usize) {
    let count = full_or_less(most / (part.len() + 9), rng);
    (part, count)
}

/// The largest size of a body of `route`.
pub(crate) fn max_body(route: &str) -> usize {
    if route == UPLOAD { UPLOAD_BODY } else { OTHER_BODY }
}

/// Often `most`, otherwise a number below.
fn full_or_less(most: usize, rng: &mut Rng) -> usize {
    if rng.bool() { most.max(1) } else { magnitude(most, rng) }
}

/// A number up to `most`, of any order of magnitude.
pub(crate) fn magnitude(most: usize, rng: &mut Rng) -> usize {
    let exponent = rng.f64() * (most.max(1) as f64).log2();
    (exponent.exp2() as usize).clamp(1, most.max(1))
}

/// An element of a list that is not empty.
pub(crate) fn any<T: Copy>(choices: &[T], rng: &mut Rng) -> T {
    choices[rng.usize(..choices.len())]
}

/// Collects the names of properties and parameters.
fn collect_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        Value::Object(fields) => {
            names.extend(
                fields.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()),
            );
            if fields.contains_key("in") {
                names.extend(fields.get("name").and_then(Value::as_str).map(str::to_owned));
            }
            fields.values().for_each(|value| collect_names(value, names));
        }
        _ => {}
    }
}
