//! Bodies that are wrong: one field at a time, and as a whole.

use serde_json::Value;
use tests::{gzip, zstd};

/// What stands for a value that no [`Value`] can be.
const PLACE: &str = "@@here@@";

/// Values that hardly any field takes, as they stand in JSON or as close to it as they come.
pub(crate) fn values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        r#"null"#,
        "true",
        "0",
        "-1",
        "1.5",
        "1e5",
        "1e400",
        "-1e400",
        "9007199254740993",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "NaN",
        "01",
        r#""""#,
        r#"" ""#,
        r#""\u0000""#,
        r#""a\u0000b""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\x41""#,
        r#""\u202e\u200b\ufeff\uffff""#,
        r#""💥🏴󠁧󠁢󠁥󠁮󠁧󠁿""#,
        r#""'; DROP TABLE items; --""#,
        r#""../../../etc/passwd%00""#,
        r#""{{7*7}}<script>alert(1)</script>""#,
        r#""\r\nBcc: everyone@example.com""#,
        r#""0000-01-01T00:00:00Z""#,
        r#""9999-12-31T23:59:60.999999999Z""#,
        r#""2026-02-30T25:61:61+99:99""#,
        r#""+262143-01-01T00:00:00Z""#,
        "[]",
        "{}",
        "[null]",
        r#"[[[["a"]]]]"#,
        r#"{"a":null}"#,
        r#"{"":{"":[{"password":"x"}]}}"#,
        "",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    values.push(b"\"\xff\xfe\"".to_vec());
    values.push(b"\"\xed\xa0\x80\"".to_vec());
    values.push(b"\"\0\n\x1b\"".to_vec());
    values.push(format!("\"{}\"", "a".repeat(100_000)).into_bytes());
    values.push("9".repeat(5_000).into_bytes());
    values.push(nested("[", "]"));
    values.push(nested("{\"a\":", "}"));
    values
}

/// 10,000 levels deep.
fn nested(open: &str, close: &str) -> Vec<u8> {
    format!("{}1{}", open.repeat(10_000), close.repeat(10_000)).into_bytes()
}

/// The JSON pointers to everything in `value`, itself included.
pub(crate) fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        found.extend(places(value).into_iter().map(|rest| format!("/{name}{rest}")));
    }
    found
}

/// `body` with `bytes` at `place`.
pub(crate) fn with(body: &Value, place: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = body.clone();
    *body.pointer_mut(place).expect("the place is there") = Value::from(PLACE);
    splice(&body, bytes)
}

/// `body` where the field at `place` stands twice, the second time as `bytes`; `None` where it is no field.
pub(crate) fn doubled(body: &Value, place: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let (parent, name) = place.rsplit_once('/')?;
    body.pointer(parent)?.as_object()?;
    let before = body.pointer(place)?.to_string();
    let twice = [before.as_bytes(), b",\"", name.as_bytes(), b"\":", bytes].concat();
    Some(with(body, place, &twice))
}

/// `body` without what is at `place`; `None` where that is all of it.
pub(crate) fn without(body: &Value, place: &str) -> Option<Vec<u8>> {
    let (parent, name) = place.rsplit_once('/')?;
    let mut body = body.clone();
    match body.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(name),
        Value::Array(values) => Some(values.remove(name.parse().ok()?)),
        _ => None,
    };
    Some(body.to_string().into_bytes())
}

fn splice(body: &Value, bytes: &[u8]) -> Vec<u8> {
    let text = body.to_string();
    let (before, after) = text.split_once(&format!("\"{PLACE}\"")).expect("the place was marked");
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

/// What is no JSON object of the kind wanted, made of one that is.
pub(crate) fn wholes(right: &Value) -> Vec<Vec<u8>> {
    let text = right.to_string().into_bytes();
    let utf16: Vec<u8> = right.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut wholes = vec![
        Vec::new(),
        b" \t\r\n".to_vec(),
        b"\0\0\0\0".to_vec(),
        b"\xff\xfe\xfd".to_vec(),
        b"undefined".to_vec(),
        b"{".to_vec(),
        b"{\"a\"".to_vec(),
        b"{\"a\":}".to_vec(),
        b"{,}".to_vec(),
        b"a=1&b=2".to_vec(),
        b"<?xml version=\"1.0\"?><a/>".to_vec(),
        "[".repeat(100_000).into_bytes(),
        "{\"a\":".repeat(100_000).into_bytes(),
        [b"\xef\xbb\xbf", text.as_slice()].concat(),
        [&text, text.as_slice()].concat(),
        [b"[", text.as_slice(), b"]"].concat(),
        [text.as_slice(), b","].concat(),
        [text.as_slice(), b"\0"].concat(),
        [b" ".repeat(1_000_000).as_slice(), &text].concat(),
        text[..text.len() - 1].to_vec(),
        text[..text.len() / 2].to_vec(),
        utf16,
    ];
    wholes.extend(values());
    wholes
}

/// Compressed bodies that are damaged, or lie about themselves.
pub(crate) fn damaged(right: &Value) -> Vec<Vec<u8>> {
    let text = right.to_string().into_bytes();
    let mut damaged = vec![
        b"\x1f\x8b".to_vec(),
        b"\x28\xb5\x2f\xfd".to_vec(),
        // A window of terabytes, a content of 2^64 - 1 bytes, a dictionary that nobody has, a frame to be skipped.
        b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00".to_vec(),
        b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00".to_vec(),
        b"\x28\xb5\x2f\xfd\x03\x00\x11\x22\x33\x44\x01\x00\x00".to_vec(),
        b"\x50\x2a\x4d\x18\xff\xff\xff\xff".to_vec(),
        gzip(b""),
        zstd(b""),
    ];
    for whole in [gzip(&text), zstd(&text)] {
        damaged.extend([1, 5, 12, whole.len() / 2, whole.len() - 1].map(|end| whole[..end].to_vec()));
        for place in [0, 3, 4, 10, whole.len() / 2, whole.len() - 2] {
            let mut flipped = whole.clone();
            flipped[place] ^= 0xff;
            damaged.push(flipped);
        }
        damaged.push([whole.as_slice(), b"and more"].concat());
        damaged.push([whole.as_slice(), &whole].concat());
        damaged.push(whole);
    }
    damaged
}
