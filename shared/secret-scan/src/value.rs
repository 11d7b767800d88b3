//! What a value looks like: a secret, a hash, a path, or an ordinary word.

pub(super) use super::placeholder::is_placeholder;
use super::{names, placeholder::NOTHING};

/// Lower-case words that follow `password:` in prose without being the password.
#[rustfmt::skip]
const STATUS: &[&str] = &[
    "required", "optional", "expired", "invalid", "incorrect", "wrong", "missing", "see", "ask",
    "stored", "in", "from", "the", "a", "an", "is", "was", "not", "hashed", "encrypted", "reset",
    "changed", "unknown", "string", "text", "varchar", "char", "must", "should", "can", "cannot",
    "will", "for", "and", "or", "to", "set", "new", "old", "authentication", "auth", "failed",
    "ok", "valid", "hash", "bcrypt", "argon2", "argon2id", "scrypt", "plain", "plaintext", "md5",
    "column", "field", "type", "value", "number", "boolean", "object", "array", "integer", "int",
    "uuid", "unchanged", "updated", "rotated", "same", "use", "used", "kept", "held", "provided",
    "supplied", "with", "without", "by", "at", "via", "where", "when", "if", "it", "this", "that",
    "no", "none", "only", "never", "always", "your", "our", "nullable", "bytea", "binary", "bool",
    "blank", "too", "be", "has", "have", "does", "doesn't", "can't", "isn't", "please", "check",
    "contact", "shared", "on", "of", "as", "min", "max", "format", "policy", "length", "minimum",
    "deprecated", "revoked", "disabled", "enabled", "locked", "active", "inactive", "pending",
    "unexpected", "managed", "generated", "random", "sha256", "sha512", "scram-sha-256", "base64",
    "refresh", "bearer", "access", "who", "what", "we", "i", "you", "there", "then", "first",
    "select", "null,", "lookup", "history", "header", "headers", "column,", "expires", "rotate", "rotates", "todo",
];

/// The same in other languages.
#[rustfmt::skip]
const STATUS_ABROAD: &[&str] = &[
    "kein", "keine", "keins", "keines", "leer", "unbekannt", "abgelaufen", "fehlt", "nein", "siehe", "steht", "im", "wie",
    "beim", "wird", "liegt", "schlüsselbund", "tresor", "erfragen", "gesperrt", "geändert", "vide", "inconnu", "inconnue",
    "expiré", "aucun", "demander", "voir", "à", "le", "manquant", "requis", "obligatoire", "vacía", "vacío", "desconocida",
    "caducada", "ninguna", "ver", "pedir", "en", "obligatoria", "requerida", "vazia", "expirada", "nenhuma", "desconhecida",
    "vuota", "nessuna", "scaduta", "vedi", "chiedere", "nel", "geen", "leeg", "zie", "vraag", "onbekend", "verlopen", "brak",
    "puste", "zobacz", "patrz", "нет", "пустой", "см", "inget", "ingen", "fråga", "žádné", "viz", "yok", "ei", "katso",
];

/// Places where passwords are kept, and other ways to log in.
#[rustfmt::skip]
const KEPT: &[&str] = &[
    "keychain", "keyring", "keepass", "keepassxc", "1password", "bitwarden", "lastpass", "dashlane", "vault", "doppler",
    "sops", "kms", "iam", "sso", "ldap", "okta", "kerberos", "env", "windows",
];

/// Letters-and-digits words that are names of algorithms, formats and the like.
#[rustfmt::skip]
const TECHNICAL: &[&str] = &[
    "sha1", "sha2", "sha224", "sha256", "sha384", "sha512", "md4", "md5", "argon2", "argon2i",
    "argon2id", "bcrypt", "pbkdf2", "base64", "base32", "base58", "utf8", "utf8mb4", "utf16",
    "utf-8", "oauth2", "oauth1", "oauth2.0", "aes128", "aes256", "aes-256", "aes-128", "rs256",
    "hs256", "es256", "rs512", "hs512", "ed25519", "x509", "pkcs8", "pkcs12", "pkcs1",
    "scram-sha-256", "scram-sha-1", "sha-256", "sha-512", "sha-1", "hmac-sha256",
    "caching_sha2_password", "sha256_password", "p256", "k8s", "s3", "ec2", "utf8_bin", "int4",
    "int8", "int2", "float8", "varchar2", "v1", "v2", "uuid4", "uuid7", "uuidv4", "uuidv7", "sha2_256",
    "sha2_512", "base64url",
];

/// Whether `value` looks made up rather than written as a word: letters mixed with digits or
/// with the signs that password rules ask for.
pub(super) fn is_opaque(value: &str) -> bool {
    if value.chars().nth(3).is_none() || value.contains(char::is_whitespace) {
        return false;
    }
    let is_mark =
        |c: char| c.is_ascii_digit() || matches!(c, '!' | '@' | '#' | '$' | '%' | '^' | '&' | '*' | '+' | '?' | '~');
    // Most words are ruled out here, without a copy in lower case.
    if !value.contains(is_mark) || !value.contains(char::is_alphabetic) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let lower = lower.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    // `base64-encoded`
    let described = lower
        .split_once('-')
        .is_some_and(|(head, tail)| TECHNICAL.contains(&head) && tail.bytes().all(|b| b.is_ascii_lowercase()));
    if TECHNICAL.contains(&lower) || KEPT.contains(&lower) || is_measure(lower) || described {
        return false;
    }
    // A sign at the end of a word ends a sentence.
    lower.contains(is_mark)
}

/// "Weiden-Sperling", "Wach.Holder.Drossel": words with capitals put together, as people make passwords up. What continues a
/// sentence (`case-sensitive`) has none.
pub(super) fn is_coined(value: &str) -> bool {
    let mut parts = value.split(['-', '_', '.']);
    let capital = |part: &str| {
        part.chars().count() > 3
            && part.starts_with(char::is_uppercase)
            && part.chars().skip(1).all(char::is_lowercase)
            && !is_status_word(part)
    };
    let two = parts.clone().filter(|part| capital(part)).count() > 1;
    two && parts.all(|part| !part.is_empty() && part.chars().all(char::is_alphabetic))
}

/// Opaque, or ends in the sign that a password rule asks for (`Herbst!`): enough where a password is expected.
pub(super) fn is_password_like(value: &str) -> bool {
    is_opaque(value) || value.len() > 5 && !value.contains(' ') && value.ends_with(['!', '?', '#', '$', '%', '*', '+'])
}

/// "24h", "90days", "8-chars", "2024-01-01t00": amounts and dates.
fn is_measure(lower: &str) -> bool {
    let rest = lower.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = lower.len() - rest.len();
    let unit = rest.trim_start_matches(['-', '+', '_']);
    #[rustfmt::skip]
    const UNITS: &[&str] = &[
        "s", "m", "h", "d", "ms", "min", "mins", "sec", "secs", "hour", "hours", "day", "days",
        "week", "weeks", "month", "months", "year", "years", "char", "chars", "characters", "bit",
        "bits", "byte", "bytes", "kb", "mb", "x", "k", "times", "th", "st", "nd", "rd", "px", "em",
        "rem", "pt", "kib", "mib", "%",
    ];
    digits > 0 && UNITS.contains(&unit)
        || digits == 4 && rest.starts_with('-') && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

/// Opaque and long enough to be a generated key.
pub(super) fn is_long_opaque(value: &str) -> bool {
    value.len() >= 16
        && !value.contains(char::is_whitespace)
        && value.chars().any(|c| c.is_ascii_digit())
        && value.chars().any(char::is_alphabetic)
}

/// Whether `value` is the output of a password hash or digest.
pub(super) fn is_hash(value: &str) -> bool {
    #[rustfmt::skip]
    const STARTS: &[&str] = &[
        "$2a$", "$2b$", "$2y$", "$2x$", "$argon2", "$pbkdf2", "pbkdf2", "$scrypt", "scrypt", "$1$",
        "$5$", "$6$", "$7$", "$y$", "$apr1$", "$P$", "$H$", "$S$", "{SSHA", "{SHA", "{CRYPT}",
        "{bcrypt}", "{noop}$", "SCRAM-SHA-256$", "argon2", "bcrypt$", "bcrypt_sha256$", "sha256$",
        "sha1$", "U$S$", "AQAAAA", "$bcrypt-sha256$", "$sha1$", "$md5$", "sha256:", "sha512:",
    ];
    let hex =
        |text: &str| text.len() >= 32 && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let value = value.trim();
    STARTS.iter().any(|start| value.starts_with(start) && value.len() > start.len() + 1)
        || hex(value)
        // With a salt behind it, or before it.
        || value.split(':').take(3).any(hex)
        || value.strip_prefix("md5").is_some_and(hex)
        || value.strip_prefix('*').is_some_and(hex)
        || value.strip_prefix("\\x").is_some_and(hex)
}

/// Whether `value` is the path of a file, which says where a key is but not what it is.
pub(super) fn is_path(value: &str) -> bool {
    let value = value.trim();
    let drive =
        value.as_bytes().get(1) == Some(&b':') && value.as_bytes().get(2).is_some_and(|b| matches!(b, b'\\' | b'/'));
    let rooted = value.starts_with('/') && value.len() > 1
        || value.starts_with("~/")
        || value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("%USERPROFILE%")
        || value.starts_with("$HOME/")
        || value.starts_with("\\\\");
    let file = [".pem", ".key", ".ppk", ".crt", ".p12", ".pfx", ".jks", ".der"].iter().any(|end| value.ends_with(end));
    (drive || rooted || file) && !value.contains('\n') && !value.contains("==")
}

/// A word that tells about a password ("required", "expired") where the password could stand.
pub(super) fn is_status_word(value: &str) -> bool {
    let lower = value.to_lowercase();
    let lower = lower.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
    // "case-sensitive", "see-below"
    let head = lower.split('-').next().unwrap_or_default();
    let joined = head.len() < lower.len()
        && ["see", "case", "ask", "not", "non", "read", "write", "to", "per", "self", "sops", "vault"].contains(&head);
    lower.is_empty()
        || joined
        || STATUS.contains(&lower)
        || STATUS_ABROAD.contains(&lower)
        || KEPT.contains(&lower)
        || NOTHING.contains(&lower)
        || TECHNICAL.contains(&lower)
        || is_measure(lower)
}

/// "Password", "Your password": what a form shows.
pub(super) fn is_label(value: &str) -> bool {
    let mut chars = value.chars();
    let capital = chars.next().is_some_and(char::is_uppercase);
    let rest_is_plain = chars.all(|c| c.is_lowercase() || c == ' ');
    let lower = value.to_lowercase();
    capital
        && rest_is_plain
        && (names::classify(value).is_some()
            || ["password", "token", "key", "secret", "passwort", "passphrase"].iter().any(|word| lower.contains(word)))
}
