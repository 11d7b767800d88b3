//! Key and certificate blocks.
//!
//! The contract names PEM blocks without exception, so certificates and public keys in PEM are
//! refused like private keys. A text that only mentions the first line (`LIKE '-----BEGIN%'`)
//! holds no block and passes.

use super::detector::Detector;
use crate::{
    rules::{KeywordGroups, rule},
    text::{Match, Text, head},
};

/// Maximum length of the label of a block (`OPENSSH PRIVATE KEY`), in bytes.
const LABEL: usize = 60;
/// How far a block is followed, in bytes.
const BLOCK: usize = 16_384;
/// How much white space may stand between the first line and the block, in bytes.
const SPACE: usize = 200;

/// PEM, OpenSSH, PGP, SSH2 and PuTTY blocks, also in base64 as a whole or with line ends written as `\n`.
pub(super) struct Keys;

impl Detector for Keys {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::KEYS
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        text.hits(KeywordGroups::KEYS).find_map(|hit| {
            text.budget.spend(1)?;
            let rest = &text.all[hit.at()..];
            hit.keyword().parsers.iter().find_map(|rule| {
                let key = match *rule {
                    rule::PUTTY_KEY => putty_key(rest),
                    rule::PEM_IN_BASE64 => pem_in_base64(rest),
                    rule::PEM_BLOCK if has_body(rest) => Some(block(rest)),
                    _ => None,
                };
                Some(Match::new(*rule, key?))
            })
        })
    }
}

fn putty_key(rest: &str) -> Option<&str> {
    let file = head(rest, BLOCK);
    let holds_key = rest.starts_with("PuTTY") && (file.contains("Private-Lines") || file.contains("ssh-"));
    holds_key.then_some(file)
}

/// `-----BEGIN ` in base64, and what follows.
fn pem_in_base64(rest: &str) -> Option<&str> {
    let length = || rest.bytes().take(BLOCK).take_while(|&b| is_base64(b)).count();
    rest.starts_with("LS0tLS1CRUdJTi").then(|| &rest[..length()])
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The block at the start of `text`, up to the last line or as far as it is followed.
fn block(text: &str) -> &str {
    let block = head(text, BLOCK);
    block.find("END ").map_or(block, |end| {
        let last = block[end..].bytes().position(|b| matches!(b, b'\n' | b'\'' | b'"')).unwrap_or(block.len() - end);
        &block[..end + last]
    })
}

/// Whether a label and base64 or header lines follow `--BEGIN `.
fn has_body(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("-- BEGIN ").or_else(|| rest.strip_prefix("--BEGIN ")) else { return false };
    let Some(end) = rest.bytes().take(LABEL).position(|b| b == b'-') else { return false };
    let (label, rest) = rest.split_at(end);
    if !label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ') {
        return false;
    }
    let mut body = head(rest, SPACE).trim_start_matches('-');
    // Line ends: real ones, or the two characters `\n` of a JSON or shell string.
    loop {
        let next = body.trim_start();
        let next = ["\\r", "\\n", "\\"].iter().find_map(|end| next.strip_prefix(end)).unwrap_or(next);
        if next.len() == body.len() {
            break;
        }
        body = next;
    }
    let run = body.bytes().take_while(|&b| is_base64(b)).count();
    let header = ["Proc-Type", "Version", "Comment", "Subject", "DEK-Info", "Hash", "Charset"];
    run >= 4 && !body.starts_with("xxxx") || header.iter().any(|name| body.starts_with(name))
}
