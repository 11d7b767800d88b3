use serde::Serialize;
use sha2::{Digest, Sha256};

/// Returns the SHA-256 of `value` in canonical JSON (RFC 8785), in lower-case hex.
pub fn canonical_hash(value: &impl Serialize) -> String {
    // Canonicalisation fails only for non-finite numbers and keys that are not strings. Parsed JSON has neither.
    let canonical = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(canonical))
}

/// Whether `checksum`, in hex of either case, is the [`canonical_hash`] of `data`.
pub fn matches_checksum(data: &serde_json::Value, checksum: &str) -> bool {
    canonical_hash(data).eq_ignore_ascii_case(checksum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn key_order_and_number_format_do_not_matter() {
        let hash = canonical_hash(&json!({"b": 1.0, "a": "é"}));
        assert_eq!(hash, hex::encode(Sha256::digest(r#"{"a":"é","b":1}"#)));
        assert!(matches_checksum(&json!({"a": "é", "b": 1}), &hash.to_uppercase()));
        assert!(!matches_checksum(&json!({"a": "e", "b": 1}), &hash));
    }
}
