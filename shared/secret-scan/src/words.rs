//! Words in the names of fields, columns and options. Lists are kept in lines of many words.

/// Words for a password, also in other languages.
#[rustfmt::skip]
pub(super) const PASSWORD: &[&str] = &[
    "password", "passwords", "passwd", "pwd", "pwds", "pw", "passcode", "passwort", "kennwort",
    "contraseña", "contrasena", "senha", "motdepasse", "passe", "wachtwoord", "haslo", "hasło",
    "heslo", "losenord", "lösenord", "пароль", "密码", "密碼", "パスワード", "비밀번호", "passwrd", "pswd",
    "passwds", "requirepass", "masterauth", "userpass", "passw", "psw", "mdp", "şifre", "şifresi", "sifre",
    "parola", "parolası", "adgangskode", "salasana", "jelszó", "jelszo", "lozinka", "口令", "비번", "passord", "parool", "암호", "暗証番号", "暗号", "storepass", "keypass", "passwrt", "pword", "psswd", "lösenordet", "losenordet", "passordet", "adgangskoden", "salasanan", "hasła", "пароля",
];

/// Words after a secret's name that turn it into a name for something about the secret.
#[rustfmt::skip]
pub(super) const ABOUT: &[&str] = &[
    "count", "counts", "column", "columns", "col", "cols", "field", "fields", "policy", "policies",
    "length", "len", "size", "min", "max", "hint", "hints", "expires", "expiry", "expire",
    "expired", "expiration", "expiring", "at", "date", "time", "timestamp", "ts", "age", "days",
    "day", "ttl", "timeout", "lifetime", "duration", "changed", "change", "changes", "updated",
    "created", "required", "require", "enabled", "enable", "disabled", "set", "unset", "type",
    "types", "kind", "method", "methods", "mode", "manager", "store", "storage", "path", "paths",
    "file", "files", "filename", "dir", "location", "name", "names", "label", "title", "prompt",
    "visible", "visibility", "hidden", "strength", "score", "meter", "reset", "resets", "rotation",
    "rotated", "url", "urls", "uri", "endpoint", "link", "links", "id", "ids", "ref", "refs",
    "reference", "arn", "version", "versions", "provider", "source", "algorithm", "algo", "alg",
    "encryption", "format", "pattern", "regex", "rule", "rules", "validation", "validator",
    "check", "complexity", "history", "attempts", "attempt", "retries", "retry", "limit", "limits",
    "quota", "budget", "usage", "used", "total", "cost", "price", "rate", "index", "idx",
    "position", "offset", "status", "state", "valid", "invalid", "verified", "exists", "present",
    "missing", "saved", "placeholder", "description", "desc", "help", "note", "notes", "tooltip",
    "icon", "color", "env", "var", "variable", "command", "cmd", "callback", "hook", "handler",
    "class", "category", "group", "scope", "scopes", "issuer", "audience", "username", "table",
    "less", "free", "protected", "fingerprint", "alias", "tag", "tags", "lookup", "screen", "page",
    "form", "input", "button", "widget", "toggle", "flow", "sent", "request", "requested",
    "requests", "log", "logs", "event", "events", "error", "errors", "failed", "failure",
    "failures", "mismatch", "confirmed", "santa", "warning", "forgotten", "backend", "service",
    "plugin", "helper", "reuse", "interval", "lock", "locked", "generator", "view", "list",
    "vault", "by", "auth", "authentication", "bits", "scheme", "salt", "rounds", "iterations",
    "schema", "width", "height", "reader", "writer", "level", "mask", "masked", "prefix", "suffix",
    "caching", "through", "to", "owner", "encoding", "charset", "contact", "item", "namespace", "engine", "fd", "stdin", "repeat", "entry", "script", "comment",
    "handling", "mount", "region", "startswith", "endswith", "icontains", "isnull", "chiave", "digestor", "digester",
];

/// Words after a token's or key's name that leave it what it is.
#[rustfmt::skip]
pub(super) const NEUTRAL: &[&str] = &[
    "value", "val", "base", "string", "str", "secret", "raw", "plain", "plaintext", "text", "data",
    "content", "contents", "body", "base64", "b64", "hex", "pem", "prod", "production", "dev",
    "development", "stage", "staging", "test", "testing", "live", "sandbox", "old", "new",
    "current", "previous", "primary", "secondary", "backup", "main", "default", "master", "admin",
    "read", "write", "ro", "rw", "enc", "encrypted", "private", "copy", "openssh",
];

/// First words that make a name a switch or a number (`show_password`, `max_tokens`).
#[rustfmt::skip]
pub(super) const SWITCHES: &[&str] = &[
    "has", "is", "are", "show", "hide", "use", "uses", "using", "need", "needs", "require",
    "requires", "required", "ask", "prompt", "save", "remember", "forgot", "forget", "allow",
    "allows", "enable", "enabled", "disable", "disabled", "no", "without", "with", "include",
    "includes", "exclude", "display", "reveal", "toggle", "max", "min", "num", "number", "count",
    "total", "avg", "average", "sum", "should", "must", "mask", "force", "contains", "supports",
    "want", "wants", "rotate", "expire", "expires", "redact", "existing", "primary", "foreign", "store",
];

/// Words before `token` that make it something other than a credential.
#[rustfmt::skip]
pub(super) const OTHER_TOKENS: &[&str] = &[
    "completion", "input", "output", "cached", "remaining", "next", "prev", "page", "pagination",
    "continuation", "continue", "cursor", "sync", "resume", "stop", "end", "pad", "eos", "bos",
    "unk", "mask", "sep", "cls", "special", "design", "color", "colour", "theme", "icon", "style",
    "spacing", "font", "lexer", "syntax", "parse", "keyword", "separator", "delimiter", "cancel",
    "cancellation", "concurrency", "idempotency", "word", "sub", "invalid", "reward", "game",
    "governance", "base", "quote", "native", "collateral", "lp", "unexpected", "reasoning",
    "prompt", "used", "erc20", "fungible", "spent", "per", "context", "snapshot", "paging",
    "change", "watch", "etag", "fencing", "lock", "cell", "s2", "geo", "geohash", "tile", "lemma",
    "stem", "ngram", "vocab", "term", "bpe", "wordpiece", "search", "nlp",
];

/// Words before `pass` that make it a ticket, a stage or a result.
#[rustfmt::skip]
pub(super) const OTHER_PASSES: &[&str] = &[
    "boarding", "first", "second", "third", "one", "two", "multi", "single", "render", "season",
    "by", "test", "tests", "must", "will", "low", "high", "band", "quality", "all", "final", "did",
    "not", "ski", "day", "travel", "bus", "rail", "guest", "visitor", "hall", "can", "compiler",
    "optimizer", "forward", "backward", "to",
];

/// Words before `key` that make it a secret.
#[rustfmt::skip]
pub(super) const KEYS: &[&str] = &[
    "api", "access", "secret", "encryption", "encrypt", "decryption", "decrypt", "signing", "sign",
    "master", "auth", "deploy", "cipher", "crypto", "aes", "hmac", "pgp", "gpg", "symmetric",
    "enc", "unseal", "recovery", "fernet", "anon", "webhook", "jwt", "apikey", "xapi",
    "sharedaccess", "sas", "wrapping", "authorization", "functions", "sslprivate", "cryptographic",
    "sqlcipher", "dek", "kek", "stripe", "openai", "sendgrid", "mailgun", "pre",
];

/// Words before `key` that make it a private key.
#[rustfmt::skip]
pub(super) const PRIVATE_KEYS: &[&str] = &[
    "private", "ssh", "rsa", "dsa", "ed25519", "ecdsa", "priv", "privkey", "sshprivate",
];

/// Words before `key` with a harmless reading too, above all in column names.
#[rustfmt::skip]
pub(super) const WEAK_KEYS: &[&str] = &[
    "account", "shared", "service", "role", "client", "server", "app", "application", "session",
    "subscription", "consumer", "storage", "root", "admin", "ssl", "tls", "license", "project",
    "bot", "integration", "user",
];
