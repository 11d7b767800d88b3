//! Generators of invalid bodies: single fields, complete bodies, and corrupt compression.

use serde_json::Value;
use tests::{gzip, zstd};

/// Placeholder for bytes that a [`Value`] cannot represent.
const PLACEHOLDER: &str = "@@here@@";

/// Values that few fields accept, as JSON or malformed JSON.
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

/// Returns JSON with 10,000 levels.
fn nested(open: &str, close: &str) -> Vec<u8> {
    format!("{}1{}", open.repeat(10_000), close.repeat(10_000)).into_bytes()
}

/// Returns the JSON pointers to all values in `value`, including itself.
pub(crate) fn pointers(value: &Value) -> Vec<String> {
    let mut pointers_found = vec![String::new()];
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in children {
        pointers_found.extend(pointers(value).into_iter().map(|rest| format!("/{name}{rest}")));
    }
    pointers_found
}

/// Replaces the value at `pointer` in `body` by `bytes`.
pub(crate) fn with(body: &Value, pointer: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = body.clone();
    *body.pointer_mut(pointer).expect("the pointer is valid") = Value::from(PLACEHOLDER);
    splice(&body, bytes)
}

/// Duplicates the field at `pointer` in `body`, with the second value `bytes`. Returns `None` if it is not a field.
pub(crate) fn with_duplicate(body: &Value, pointer: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let (parent, name) = pointer.rsplit_once('/')?;
    body.pointer(parent)?.as_object()?;
    let before = body.pointer(pointer)?.to_string();
    let duplicate = [before.as_bytes(), b",\"", name.as_bytes(), b"\":", bytes].concat();
    Some(with(body, pointer, &duplicate))
}

/// Removes the value at `pointer` from `body`. Returns `None` for the complete body.
pub(crate) fn without(body: &Value, pointer: &str) -> Option<Vec<u8>> {
    let (parent, name) = pointer.rsplit_once('/')?;
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
    let (before, after) = text.split_once(&format!("\"{PLACEHOLDER}\"")).expect("the placeholder exists");
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

/// Returns bodies that are not valid, derived from the valid body `valid`.
pub(crate) fn invalid_bodies(valid: &Value) -> Vec<Vec<u8>> {
    let text = valid.to_string().into_bytes();
    let utf16: Vec<u8> = valid.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut invalid_bodies = vec![
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
    invalid_bodies.extend(values());
    invalid_bodies
}

/// Returns compressed bodies that are corrupt or have misleading headers.
pub(crate) fn corrupt_compressed(valid: &Value) -> Vec<Vec<u8>> {
    let text = valid.to_string().into_bytes();
    let mut corrupt_compressed = vec![
        b"\x1f\x8b".to_vec(),
        b"\x28\xb5\x2f\xfd".to_vec(),
        // A window of terabytes, a content of 2^64 - 1 bytes, an unknown dictionary, a skippable frame.
        b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00".to_vec(),
        b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00".to_vec(),
        b"\x28\xb5\x2f\xfd\x03\x00\x11\x22\x33\x44\x01\x00\x00".to_vec(),
        b"\x50\x2a\x4d\x18\xff\xff\xff\xff".to_vec(),
        gzip(b""),
        zstd(b""),
    ];
    for complete in [gzip(&text), zstd(&text)] {
        corrupt_compressed
            .extend([1, 5, 12, complete.len() / 2, complete.len() - 1].map(|end| complete[..end].to_vec()));
        for pointer in [0, 3, 4, 10, complete.len() / 2, complete.len() - 2] {
            let mut flipped = complete.clone();
            flipped[pointer] ^= 0xff;
            corrupt_compressed.push(flipped);
        }
        corrupt_compressed.push([complete.as_slice(), b"and more"].concat());
        corrupt_compressed.push([complete.as_slice(), &complete].concat());
        corrupt_compressed.push(complete);
    }
    corrupt_compressed
}
