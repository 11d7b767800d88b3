//! Key and certificate blocks.
//!
//! The rule names PEM blocks without exception, so certificates and public keys in PEM are
//! refused like private keys. A text that only mentions the first line (`LIKE '-----BEGIN%'`)
//! holds no block and passes.

/// Whether `text` holds a PEM, OpenSSH, PGP, SSH2 or PuTTY block, also in base64 as a whole or
/// with line ends written as `\n`.
pub(super) fn has_block(text: &str) -> bool {
    let armoured = text.match_indices("-- BEGIN ").chain(text.match_indices("--BEGIN "));
    let mut bodies = armoured.filter_map(|(at, mark)| {
        let rest = text.get(at + mark.len()..)?;
        // Labels are short; a bounded window keeps the search linear.
        let end = rest.bytes().take(60).position(|b| b == b'-')?;
        let (label, rest) = rest.split_at_checked(end)?;
        let known = label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
        known.then(|| rest.trim_start_matches('-'))
    });
    bodies.any(has_body)
        || text.contains("PuTTY-User-Key-File-") && text.contains("Private-Lines")
        || text.contains("PuTTY-User-Key-File-") && text.contains("ssh-")
        // "-----BEGIN " in base64.
        || text.contains("LS0tLS1CRUdJTi")
}

/// Whether base64 or header lines follow the first line.
fn has_body(rest: &str) -> bool {
    let mut body = rest;
    // Line ends: real ones, or the two characters `\n` of a JSON or shell string.
    loop {
        let next = body.trim_start();
        let next = next
            .strip_prefix("\\r")
            .or_else(|| next.strip_prefix("\\n"))
            .or_else(|| next.strip_prefix('\\'))
            .unwrap_or(next);
        if next.len() == body.len() {
            break;
        }
        body = next;
    }
    let run = body.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')).count();
    let header = ["Proc-Type", "Version", "Comment", "Subject", "DEK-Info", "Hash", "Charset"];
    run >= 4 && !body.starts_with("xxxx") || header.iter().any(|name| body.starts_with(name))
}
