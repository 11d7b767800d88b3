//! Well-known tokens and key blocks. The samples are made up.

use super::{Case, check};

#[rustfmt::skip]
pub(super) const REFUSED: &[Case] = &[
    ("AWS access key", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS temporary key", "uses ASIAQWERTYUIOP123456 in eu-west-1"),
    ("GitHub", "ghp_1234567890abcdefghijABCDEFGHIJ123456"),
    ("GitHub fine-grained", "github_pat_11ABCDEFG0123456789_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("GitLab", "glpat-aB3dE5gH7jK9mN1pQ3sT"),
    ("Slack", "xoxb-123456789012-abcdefABCDEF123456"),
    ("Stripe", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    ("Stripe test", "rk_test_4eC39HqLyjWDarjtT1zdp7dc"),
    ("Anthropic", "sk-ant-api03-AbCdEf123456_789-xyz0"),
    ("OpenAI", "sk-proj-AbCdEf1234567890ghijKL"),
    ("OpenAI old", "sk-abcdEFGH1234ijklMNOP5678qrstUVWX9012yzAB"),
    ("Google", "AIzaSyA1234567890abcdefghijklmnopqrstuv"),
    ("Slack webhook", "https://hooks.slack.com/services/T00000001/B00000002/abcdefABCDEF123456789012"),
    ("Discord webhook", "https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"),
    ("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
    ("bearer", "Authorization: Bearer 9f8a7b6c5d4e3f2a1b0c"),
    ("bearer in curl", "curl -H 'Authorization: Bearer abc123def456ghi789' https://api"),
    ("basic", "Authorization: Basic Ym9iOmh1bnRlcjI="),
    ("npm", "npm_abcdefghijABCDEFGHIJ0123456789abcdef"),
    ("SendGrid", "SG.abcdefghijklmnopqrstuv.ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefg"),
    ("PlanetScale", "pscale_pw_abcdEFGH1234ijklMNOP5678qrstUVWX"),
    ("Supabase", "sbp_0123456789abcdef0123456789abcdef01234567"),
    ("Aiven", "AVNS_aBcD3fGh1jKlMn0pQrS"),
    ("Neon", "npg_aB3dE5gH7jK9"),
    ("Vault", "hvs.CAESIJ1234567890abcdefghijkl"),
    ("Telegram", "123456789:AAE1abcdefghijklmnopqrstuvwxyz12345"),
    ("Databricks", "dapi0123456789abcdef0123456789abcdef"),
    ("private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"),
    ("private key on one line", "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg\\n-----END PRIVATE KEY-----"),
    ("OpenSSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n"),
    ("encrypted key", "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"),
    ("PGP", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\nlQOYBF"),
    ("PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none"),
    ("SSH2", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAAAi4AAAA"),
    ("certificate", "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBg\n-----END CERTIFICATE-----"),
    ("base64 of PEM", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t"),
    ("age", "AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KH"),
];

#[rustfmt::skip]
pub(super) const PASSED: &[Case] = &[
    ("SHA-256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("UUID", "0b9e8f5e-6d5c-4c55-9a57-4c3e7e0f7a11"),
    ("base64", "SGVsbG8gd29ybGQsIHRoaXMgaXMganVzdCBiYXNlNjQgdGV4dA=="),
    ("git commit", "fixed in 4c3e7e0f7a110b9e8f5e6d5c4c559a57abcdef01"),
    ("word with sk-", "task-1234567890abcdefghijklmnopqrstuvwxyz1"),
    ("short sk-", "sk-learn"),
    ("AWS word", "AKIA is the prefix of AWS keys"),
    ("AWS mask", "AKIAXXXXXXXXXXXXXXXX"),
    ("Asia", "ASIA and AMERICA"),
    ("GitHub mask", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ("prefix of a pattern", "SELECT * FROM t WHERE v LIKE 'ghp_%'"),
    ("JSON in base64", "eyJhbGciOiJIUzI1NiJ9"),
    ("bearer of news", "the bearer of this card"),
    ("bearer mask", "Authorization: Bearer <token>"),
    ("bearer variable", "Authorization: Bearer ${ACCESS_TOKEN}"),
    ("basic word", "basic authentication is enabled"),
    ("basic plan", "plan = 'basic premium'"),
    ("PEM named", "SELECT id FROM certs WHERE body LIKE '-----BEGIN%'"),
    ("PEM label named", "WHERE pem LIKE '-----BEGIN RSA PRIVATE KEY-----%'"),
    ("SSH public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bob@laptop"),
    ("dashed line", "-----------------------------------------"),
    ("npm variable", "npm_config_registry_and_other_long_variable_names"),
    ("SG code", "SG.country_code"),
    ("hex colour", "#a1b2c3"),
    ("ARN", "arn:aws:iam::123456789012:role/reader"),
    ("Slack word", "xoxo"),
    ("time with AA", "12:30:AAA"),
    ("ETag", "W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
];

#[test]
fn refused() {
    check("description", REFUSED, true);
}

#[test]
fn passed() {
    check("description", PASSED, false);
}
