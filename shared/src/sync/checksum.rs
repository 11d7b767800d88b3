use serde::Serialize;
use sha2::{Digest, Sha256};

/// The SHA-256, in lower-case hex, of `value` in canonical JSON (RFC 8785).
pub fn canonical_hash(value: &impl Serialize) -> String {
    // Canonical JSON knows finite numbers and text keys only, and a parsed JSON value has no others.
    let canonical = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(canonical))
}

/// Whether `checksum`, in hex of either case, is that of `data`.
pub fn matches_checksum(data: &serde_json::Value, checksum: &str) -> bool {
    canonical_hash(data).eq_ignore_ascii_case(checksum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn neither_the_order_of_keys_nor_the_form_of_numbers_matters() {
        let hash = canonical_hash(&json!({"b": 1.0, "a": "é"}));
        assert_eq!(hash, hex::encode(Sha256::digest(r#"{"a":"é","b":1}"#)));
        assert!(matches_checksum(&json!({"a": "é", "b": 1}), &hash.to_uppercase()));
        assert!(!matches_checksum(&json!({"a": "e", "b": 1}), &hash));
    }
}
