//! Functions and methods that take a secret, of all four databases.

use super::super::Kind;

/// What an argument of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// The password to set, check or hash.
    Secret(Kind),
    /// A part of the value the call is assigned to (`md5('…')`).
    Part,
    /// A name of which the next argument is the value (`json_object('password', '…')`); the first name is the argument
    /// with this number.
    Pair(u32),
    /// Nothing of interest.
    Plain,
}

/// (function, argument from 0, what it is); the list holds what the databases document.
const SECRETS: &[(&str, u32, Kind)] = &[
    ("password", 0, Kind::SetsPassword),
    ("old_password", 0, Kind::SetsPassword),
    ("crypt", 0, Kind::SetsPassword),
    ("changeuserpassword", 1, Kind::SetsPassword),
    ("sha_crypt", 0, Kind::SetsPassword),
    ("encrypt", 1, Kind::EncryptionKey),
    ("decrypt", 1, Kind::EncryptionKey),
    ("encrypt_iv", 1, Kind::EncryptionKey),
    ("decrypt_iv", 1, Kind::EncryptionKey),
    ("aes_encrypt", 1, Kind::EncryptionKey),
    ("aes_decrypt", 1, Kind::EncryptionKey),
    ("des_encrypt", 1, Kind::EncryptionKey),
    ("des_decrypt", 1, Kind::EncryptionKey),
    ("pgp_sym_encrypt", 1, Kind::EncryptionKey),
    ("pgp_sym_decrypt", 1, Kind::EncryptionKey),
    ("pgp_sym_encrypt_bytea", 1, Kind::EncryptionKey),
    ("pgp_sym_decrypt_bytea", 1, Kind::EncryptionKey),
    ("pgp_pub_decrypt", 2, Kind::EncryptionKey),
    ("pgp_pub_decrypt_bytea", 2, Kind::EncryptionKey),
    ("hmac", 1, Kind::EncryptionKey),
    ("encryptbypassphrase", 0, Kind::EncryptionKey),
    ("decryptbypassphrase", 0, Kind::EncryptionKey),
    ("sign", 1, Kind::EncryptionKey),
    ("verify", 1, Kind::EncryptionKey),
    // Table functions of ClickHouse.
    ("remote", 4, Kind::SetsPassword),
    ("remotesecure", 4, Kind::SetsPassword),
    ("mysql", 4, Kind::SetsPassword),
    ("postgresql", 4, Kind::SetsPassword),
    ("mongodb", 4, Kind::SetsPassword),
    ("create_secret", 0, Kind::SetsPassword),
    ("update_secret", 1, Kind::SetsPassword),
    // Client libraries: address, account, password.
    ("pdo", 2, Kind::SetsPassword),
    ("mysqli", 2, Kind::SetsPassword),
    ("mysql_connect", 2, Kind::SetsPassword),
    ("mysqli_connect", 2, Kind::SetsPassword),
    ("odbc_connect", 2, Kind::SetsPassword),
    ("getconnection", 2, Kind::SetsPassword),
    ("oci_connect", 1, Kind::SetsPassword),
    ("jwt_sign", 1, Kind::EncryptionKey),
    ("jwt_encode", 1, Kind::EncryptionKey),
    // Packages of Oracle, procedures of Neo4j and of Amazon RDS.
    ("add_parquet_key", 1, Kind::EncryptionKey),
    ("set_wallet", 1, Kind::SetsPassword),
    ("set_authentication", 2, Kind::SetsPassword),
    ("create_credential", 2, Kind::SetsPassword),
    ("changepassword", 0, Kind::SetsPassword),
    ("rds_set_external_master", 3, Kind::SetsPassword),
    ("rds_set_external_source", 3, Kind::SetsPassword),
    // BigQuery
    ("decrypt_string", 0, Kind::EncryptionKey),
    ("decrypt_bytes", 0, Kind::EncryptionKey),
    ("deterministic_encrypt", 0, Kind::EncryptionKey),
    ("deterministic_decrypt_string", 0, Kind::EncryptionKey),
    ("account_add", 1, Kind::EncryptionKey),
    ("create_aws_credentials", 1, Kind::SetsPassword),
    // Drivers and libraries.
    ("setpassword", 0, Kind::SetsPassword),
    ("withpassword", 0, Kind::SetsPassword),
    ("networkcredential", 1, Kind::SetsPassword),
    ("sqlcredential", 1, Kind::SetsPassword),
    ("basic_auth", 1, Kind::SetsPassword),
    ("plaintextauthprovider", 1, Kind::SetsPassword),
    ("withcredentials", 1, Kind::SetsPassword),
    ("withauthcredentials", 1, Kind::SetsPassword),
    ("sequelize", 2, Kind::SetsPassword),
    ("real_connect", 2, Kind::SetsPassword),
    ("mysql_real_connect", 3, Kind::SetsPassword),
    ("hashsync", 0, Kind::SetsPassword),
    ("generate_password_hash", 0, Kind::SetsPassword),
    ("make_password", 0, Kind::SetsPassword),
    ("createcipheriv", 1, Kind::EncryptionKey),
    ("createdecipheriv", 1, Kind::EncryptionKey),
    ("fernet", 0, Kind::EncryptionKey),
    ("createhmac", 1, Kind::EncryptionKey),
    ("pwdcompare", 0, Kind::SetsPassword),
    ("pwdencrypt", 0, Kind::SetsPassword),
    ("try_aes_decrypt", 1, Kind::EncryptionKey),
    ("decrypt_char", 1, Kind::EncryptionKey),
    ("decrypt_bit", 1, Kind::EncryptionKey),
    ("decrypt_binary", 1, Kind::EncryptionKey),
    ("sqlite3_key", 1, Kind::EncryptionKey),
    ("sqlite3_rekey", 1, Kind::EncryptionKey),
    ("hmac_sha1", 1, Kind::EncryptionKey),
    ("hmac_sha256", 1, Kind::EncryptionKey),
    ("hmac_sha512", 1, Kind::EncryptionKey),
];

/// Functions whose first argument goes into their result.
#[rustfmt::skip]
const FIRST_PART: &[&str] = &[
    "md5", "sha", "sha1", "sha2", "sha224", "sha256", "sha384", "sha512", "digest",
    "encode", "hex", "unhex", "to_base64", "from_base64", "lower", "upper", "trim", "cast",
    "convert", "compress", "quote_literal", "nullif", "char", "text", "convert_to", "decode",
    "string_to_array", "to_char", "ltrim", "rtrim", "reverse", "bcrypt", "hashsync", "hash",
    "to_bytea", "bytea", "to_json",
    "to_jsonb", "json_quote", "cast_to_raw", "hextoraw", "string_to_utf8", "to_utf8", "tobytes",
    "make", "string", "hashpw", "generate_password_hash", "hash_password", "make_password",
];

/// Functions that take the name of the algorithm first.
const SECOND_PART: &[&str] = &["hashbytes", "bindata"];

/// Functions whose arguments all go into their result.
#[rustfmt::skip]
const ALL_PARTS: &[&str] = &[
    "concat", "concat_ws", "coalesce", "ifnull", "array", "any", "some", "all", "in", "if", "iif",
    "row", "replace",
];

/// Functions that take names and values in turn.
#[rustfmt::skip]
const PAIRS: &[&str] = &[
    "json_object", "jsonb_object", "jsonb_build_object", "json_build_object", "hstore", "set_config",
    "map", "set", "setitem", "append", "define", "option", "setproperty", "put", "header", "http_header", "set_setting",
    "env", "getenv",
];

/// JSON functions that take the document first, then names and values in turn.
#[rustfmt::skip]
const PAIRS_BEHIND_DOCUMENT: &[&str] = &[
    "json_set", "json_insert", "json_replace", "jsonb_set", "jsonb_insert", "json_array_append", "json_modify",
];

/// Whether the function fills a template, as `format` of PostgreSQL does.
pub(super) fn is_format(name: &str) -> bool {
    name.eq_ignore_ascii_case("format")
}

/// The argument of `format(template, …)` that fills `PASSWORD %L`, as the one before it.
pub(super) fn password_slot(template: &str) -> Option<u32> {
    let lower = template.to_ascii_lowercase();
    let slots = ["password %l", "password '%s'", "password = %l", "by %l", "by '%s'"];
    let at = slots.iter().find_map(|slot| lower.find(slot).map(|at| at + slot.len() - 3))?;
    u32::try_from(lower.get(..at)?.matches('%').count()).ok()
}

/// What argument `index` of a call to `name` is. `is_method` says that a dot stands before it.
pub(super) fn argument(name: &str, index: u32, is_method: bool) -> Argument {
    let listed = |list: &[&str]| list.iter().any(|known| name.eq_ignore_ascii_case(known));
    if let Some((.., kind)) = SECRETS.iter().find(|(known, at, _)| *at == index && name.eq_ignore_ascii_case(known)) {
        return Argument::Secret(*kind);
    }
    if is_method && index > 0 && name.eq_ignore_ascii_case("auth") {
        return Argument::Secret(Kind::SetsPassword);
    }
    // `DBMS_CRYPTO.ENCRYPT(text, algorithm, key)`
    if is_method && index == 2 && ["encrypt", "decrypt", "mac"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Argument::Secret(Kind::EncryptionKey);
    }
    if listed(PAIRS) {
        Argument::Pair(0)
    } else if listed(PAIRS_BEHIND_DOCUMENT) || is_format(name) {
        Argument::Pair(1)
    } else if listed(ALL_PARTS) || index == 0 && listed(FIRST_PART) || index == 1 && listed(SECOND_PART) {
        Argument::Part
    } else {
        Argument::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{pairs, trigger},
        SECRETS,
    };

    /// A text is read as statements only where the first pass finds a reason to.
    #[test]
    fn the_first_pass_knows_every_function() {
        let unknown = |name: &str| {
            let call = format!("{name}(x)");
            trigger::families(&call) & trigger::SQL == 0 && !pairs::names_secret(&call)
        };
        let unknown: Vec<&str> = SECRETS.iter().map(|(name, ..)| *name).filter(|name| unknown(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
