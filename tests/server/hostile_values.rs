//! Hostile values of headers, queries and ids.

/// Media types; the first is valid, the last is not text.
pub(crate) const MEDIA_TYPES: [&[u8]; 15] = [
    b"application/json",
    b"",
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"application/json; charset=utf-16",
    b"application/json;;;",
    b"application/jsonp",
    b"application/json, text/plain",
    b"APPLICATION/JSON",
    b"application/gzip",
    b"application/zstd",
    b"*/*",
    b";",
    b"application/\xff",
];

/// Content encodings.
pub(crate) const ENCODINGS: [&[u8]; 11] =
    [b"", b"gzip", b"zstd", b"x-gzip", b"identity", b"br", b"deflate", b"gzip, gzip", b"gzip;q=1", b"chunked", b"\xff"];

/// Query strings.
pub(crate) const QUERIES: [&[u8]; 30] = [
    b"since=%ff",
    b"since=",
    b"since=%00",
    b"since=now",
    b"since=1e400",
    b"since=2026-01-01T00:00:00Z&since=yesterday",
    b"since=yesterday&since=2026-01-01T00:00:00Z",
    b"since=0000-01-01T00:00:00Z",
    b"since=9999-12-30T22:00:00.999999Z",
    b"since=9999-12-31T23:59:59Z",
    b"since=-009999-01-01T00:00:00Z",
    b"since=2026-01-01T00:00:60Z",
    b"since=2026-01-01T00:00:00+99:99",
    b"limit=0",
    b"limit=-1",
    b"limit=1.5",
    b"limit=1e3",
    b"limit=99999999999999999999",
    b"limit=",
    b"limit=%F0%9F%92%A5&limit=5",
    b"status=%ff&cursor=%ff",
    b"status=OPEN",
    b"cursor=-9223372036854775808",
    b"cursor=9223372036854775808",
    b"cursor=",
    b"device_id=",
    b"device_id=%00",
    b"&&&===&?&%&%z&%zz",
    b"a[]=1&a[b]=2&__proto__=x",
    b"token=%3Cscript%3E%00%ff",
];

/// Ids in a path, as percent-encoded text.
pub(crate) const IDS: [&str; 22] = [
    "%00",
    "%2f",
    "%2F..%2F",
    "%ff",
    "%",
    "%z",
    "%zz",
    "%ed%a0%80",
    ".",
    "..",
    "%2e%2e",
    "...",
    "a%20b",
    "+",
    "*",
    "{id}",
    "%7Bid%7D",
    "null",
    "-1",
    "'%20OR%201=1--",
    "%F0%9F%92%A5",
    "00000000-0000-0000-0000-000000000000",
];

/// Headers that no valid client sends. `authorization` headers replace the valid one.
pub(crate) fn headers() -> Vec<(&'static str, Vec<u8>)> {
    let long = || b"x".repeat(16_000);
    let forged = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIwIn0.";
    vec![
        ("authorization", Vec::new()),
        ("authorization", b"Bearer".to_vec()),
        ("authorization", b"Bearer ".to_vec()),
        ("authorization", b"Bearer \xff\xfe".to_vec()),
        ("authorization", b"\xff".to_vec()),
        ("authorization", b"Bearer a.b.c".to_vec()),
        ("authorization", b"Bearer ....".to_vec()),
        ("authorization", forged.as_bytes().to_vec()),
        ("authorization", b"Basic YWRhOlNlc2FtZTQy".to_vec()),
        ("authorization", [b"Bearer ".as_slice(), &long()].concat()),
        ("user-agent", b"\xff\xfe\x80".to_vec()),
        ("user-agent", long()),
        ("user-agent", "💥".repeat(100).into_bytes()),
        ("x-client-version", b"\xff\xfe\x80".to_vec()),
        ("x-client-version", long()),
        ("x-client-version", Vec::new()),
        ("x-forwarded-for", b"\xff, ::1, ' OR 1=1".to_vec()),
        ("x-request-id", b"mine\xff".to_vec()),
        ("accept", b"\xff/\xff;q=\xff".to_vec()),
        ("accept", b"application/xml".to_vec()),
        ("accept-encoding", b"gzip;q=-1, \xff;q=nan, *;q=0".to_vec()),
        ("origin", b"\xff".to_vec()),
        ("origin", b"null".to_vec()),
        ("cookie", b"a=\xff; ;;=".to_vec()),
        ("range", b"bytes=-1--1,\xff".to_vec()),
        ("if-none-match", b"*".to_vec()),
        ("expect", b"the worst".to_vec()),
        ("expect", b"100-continue".to_vec()),
        ("upgrade", b"websocket".to_vec()),
        ("host", b"\xff".to_vec()),
        ("host", Vec::new()),
        ("forwarded", b"for=\"\xff".to_vec()),
        ("x-http-method-override", b"DELETE".to_vec()),
    ]
}
