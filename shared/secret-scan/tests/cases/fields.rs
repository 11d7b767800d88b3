//! Field names.

use serde_json::{Value, json};

use super::find;

/// Names that hold a secret when their value is a text.
#[rustfmt::skip]
const SECRET: &[&str] = &[
    "password", "Password", "PASSWORD", "passwd", "pwd", "pass", "pw", "dbPassword", "db_password",
    "dbpassword", "ssh_password", "sshPassword", "ssh_key", "sshKey", "SSH-Key", "ssh-private-key",
    "sshPrivateKey", "private_key", "privateKey", "PrivateKey", "privatekey", "passphrase",
    "key_passphrase", "sshPassphrase", "secret", "client_secret", "clientSecret", "api_key",
    "apikey", "apiKey", "API_KEY", "X-API-Key", "x_api_key", "access_token", "accessToken",
    "auth_token", "refreshToken", "id_token", "token", "bearer", "bearer_token", "credential",
    "credentials", "creds", "aws_secret_access_key", "secretAccessKey", "secret_key", "secretKey",
    "access_key", "encryption_key", "signing_key", "master_key", "user_password", "password2",
    "password_confirmation", "new_password", "oldPassword", "root_pass", "dbpass", "db.password",
    "spring.datasource.password", "MYSQL_ROOT_PASSWORD", "PGPASSWORD", "ssl_password",
    "sslpassword", "keystorePassword", "jwt", "jwt_secret", "session_token", "csrf_token",
    "reset_token", "password_hash", "password_prod", "token_value", "private_key_pem",
    "ssh_key_content", "apiKey1", "passwort", "contraseña", "пароль", "密码", "mongodb_pwd",
    "master_password", "webhook_secret", "totp_secret", "recovery_phrase", "passcode",
    "api_secret", "app_secret", "pgp_private_key", "basic_auth_password", "auth.token",
    "proxyPassword", "sas_token", "personal_access_token", "decryption_key", "rsa_private_key",
];

/// Names that only look like it.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "token_count", "max_tokens", "maxTokens", "password_column", "show_password", "has_password",
    "hasPassword", "password_policy", "keyboard", "primary_key", "primaryKey", "sort_key",
    "partition_key", "passenger", "compass", "bypass", "author", "tokenizer", "monkey",
    "secretary", "key", "keys", "ssh_key_path", "sshKeyPath", "ssh_key_file", "private_key_path",
    "identity_file", "public_key", "ssh_public_key", "foreign_key", "unique_key", "keyspace",
    "keyword", "keywords", "hotkey", "passed", "pass_count", "passive", "pass_rate", "token_type",
    "tokens_used", "token_limit", "prompt_tokens", "password_required", "passwordLength",
    "password_expires_at", "password_changed_at", "password_hint", "password_field",
    "use_password", "save_password", "remember_password", "ask_password", "password_manager",
    "password_source", "secret_name", "secret_arn", "secret_ref", "secretId", "credential_id",
    "credential_type", "credentials_path", "key_id", "access_key_id", "key_name", "next_token",
    "page_token", "next_page_token", "design_token", "color_token", "token_url", "token_endpoint",
    "password_reset_url", "passwordless", "password_encryption", "checksum", "hash",
    "authentication", "auth_method", "authSource", "ssl_mode", "username", "keepalive",
    "key_column", "cache_key", "i18n_key", "surrogate_key", "signature", "bookmark",
    "tokenization", "passthrough", "surpass", "wpm", "token_expires_at", "jwt_algorithm",
    "password_strength", "secret_manager", "enable_password_rotation", "boarding_pass",
    "shortcut_key", "sslkey_path",
];

fn metadata(name: &str, value: &Value) -> Value {
    json!({"id": "1", "item_type": "connection", "data": {"name": "prod", "metadata": {name: value}}})
}

#[test]
fn names_of_secrets_are_refused() {
    let value = json!("hunter2");
    let missed: Vec<_> = SECRET
        .iter()
        .filter(|name| find(&metadata(name, &value)).is_none_or(|f| f.path != format!("data.metadata.{name}")))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn names_that_look_like_it_pass() {
    let value = json!("value42");
    let wrong: Vec<_> = HARMLESS.iter().filter(|name| find(&metadata(name, &value)).is_some()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn values_that_carry_nothing_pass() {
    let values = [
        json!(null),
        json!(""),
        json!("  "),
        json!(false),
        json!(true),
        json!({}),
        json!([]),
        json!([null, ""]),
        json!({"value": null}),
        json!("***"),
        json!("********"),
        json!("••••••"),
        json!("${DB_PASSWORD}"),
        json!("$DB_PASSWORD"),
        json!("<password>"),
        json!("{{ password }}"),
        json!("[redacted]"),
        json!("REDACTED"),
        json!("xxxxx"),
        json!("your_password_here"),
        json!("YOUR-API-KEY"),
        json!("%DB_PASSWORD%"),
        json!("none"),
        json!("null"),
        json!("op://vault/db/password"),
        json!("env:DB_PASSWORD"),
        json!("vault:secret/data/db#password"),
        json!("stored in keychain"),
        json!("$1"),
        json!(":password"),
        json!("?"),
        json!("<your password>"),
        json!("#{password}"),
        json!("(hidden)"),
        json!("..."),
        json!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:db"),
        json!("process.env.DB_PASSWORD"),
        json!("${PASSWORD:-}"),
        json!("DB_PASSWORD"),
    ];
    let wrong: Vec<_> = values.iter().filter(|value| find(&metadata("password", value)).is_some()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn values_of_a_password_are_taken_strictly() {
    let values = [
        json!("a"),
        json!("password"),
        json!("secret"),
        json!("changeme"),
        json!("letmein"),
        json!("correct horse battery staple"),
        json!(12345),
        json!(["x1"]),
        json!({"value": "s3cret"}),
        json!("P@ssw0rd!"),
        json!("$2b$12$KIXl"),
        json!("!@#$%^"),
        json!("admin"),
        json!("${PASSWORD:-hunter2}"),
        json!("pass word"),
        json!("12345"),
        json!("@dmin123"),
        json!("$ecret1"),
    ];
    let missed: Vec<_> = values.iter().filter(|value| find(&metadata("password", value)).is_none()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// (name, change, path)
fn places() -> Vec<(&'static str, Value, Option<&'static str>)> {
    vec![
        ("top level", json!({"password": "x1"}), Some("password")),
        (
            "unknown field",
            json!({"data": {"extra": {"ssh": {"private_key": "abc"}}}}),
            Some("data.extra.ssh.private_key"),
        ),
        ("in a list", json!({"data": {"hosts": [{"host": "a"}, {"pwd": "abc"}]}}), Some("data.hosts[1].pwd")),
        ("in a tag", json!({"data": {"tags": ["daily", "AKIAIOSFODNN7EXAMPLE"]}}), Some("data.tags[1]")),
        ("tag named password", json!({"data": {"tags": ["password", "token", "secret"]}}), None),
        (
            "name and value",
            json!({"data": {"options": [{"name": "sslpassword", "value": "abc"}]}}),
            Some("data.options[0].value"),
        ),
        ("name without value", json!({"data": {"name": "password", "query": "SELECT 1"}}), None),
        ("header list", json!({"headers": [{"key": "Content-Type", "value": "text/html"}]}), None),
        ("count of tokens", json!({"data": {"metadata": {"tokens": 150}}}), None),
        ("count of tokens as text", json!({"data": {"metadata": {"tokens": "150"}}}), None),
        ("list of tokens", json!({"data": {"metadata": {"tokens": ["abc123"]}}}), Some("data.metadata.tokens")),
        ("key path", json!({"data": {"ssl": {"sslkey": "/home/me/client.key"}}}), None),
        ("ssh key path in ssh_key is refused", json!({"data": {"ssh_key": "~/.ssh/id_ed25519"}}), Some("data.ssh_key")),
        ("working directory", json!({"data": {"metadata": {"pwd": "/home/bob"}}}), None),
        ("authorization scheme", json!({"data": {"metadata": {"authorization": "required"}}}), None),
        (
            "authorization header",
            json!({"data": {"metadata": {"authorization": "Bearer 9f8a7b6c5d4e3f2a1b0c"}}}),
            Some("data.metadata.authorization"),
        ),
        ("basic auth", json!({"data": {"metadata": {"basic_auth": "bob:hunter2"}}}), Some("data.metadata.basic_auth")),
        ("account key of a warehouse", json!({"data": {"metadata": {"account_key": "ACC-17"}}}), None),
        (
            "account key of Azure",
            json!({"data": {"metadata": {"account_key": "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA=="}}}),
            Some("data.metadata.account_key"),
        ),
        (
            "credential in a key",
            json!({"data": {"metadata": {"postgres://u:hunter2@h/db": "x"}}}),
            Some("data.metadata"),
        ),
        (
            "template connection",
            json!({"id": "x", "item_type": "connection", "item_id": "c", "action": "create", "data": {
            "id": "c", "name": "Production (read only)", "type": "postgres", "host": "db.example.com", "port": 5432, "database": "app", "username": "reader",
            "use_ssh": true, "ssh_host": "bastion.example.com", "ssh_port": 22, "ssh_user": "deploy", "color": "#ff0000", "icon": "key",
            "metadata": {"ssl_mode": "verify-full", "sort_key": "name", "password_source": "keychain"}},
            "updated_at": "2025-03-01T10:00:00Z", "sync_version": 3, "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}),
            None,
        ),
        (
            "null password of a template",
            json!({"data": {"type": "mysql", "password": null, "ssh_key": "", "passphrase": null}}),
            None,
        ),
        (
            "JSON in a string",
            json!({"data": {"metadata": {"options": "{\"user\":\"bob\",\"password\":\"hunter2\"}"}}}),
            Some("data.metadata.options"),
        ),
        (
            "JSON in a string without a value",
            json!({"data": {"metadata": {"options": "{\"user\":\"bob\",\"password\":\"\",\"token\":null}"}}}),
            None,
        ),
    ]
}

#[test]
fn places_are_named() {
    let wrong: Vec<_> = places()
        .into_iter()
        .filter_map(|(name, change, path)| {
            let found = find(&change);
            (found.as_ref().map(|f| f.path.as_str()) != path).then(|| format!("{name}: {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
