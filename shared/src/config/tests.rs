use secrecy::{ExposeSecret, SecretString};

use super::*;

/// Reads every setting and returns the first error.
fn first_error(pairs: &[(&str, &str)]) -> Option<ConfigError> {
    let env = Env::from_pairs(pairs.iter().copied());
    let read_all = || {
        HttpConfig::from_env(&env)?;
        SyncConfig::from_env(&env)?;
        AuthConfig::from_env(&env)?;
        EmailConfig::from_env(&env, Some("http://127.0.0.1:8500".to_owned()))?;
        PostgresConfig::from_env(&env)?;
        TursoConfig::from_env(&env)?;
        RedisConfig::from_env(&env)?;
        Ok(())
    };
    read_all().err()
}

#[test]
fn errors_name_the_variable_and_the_expected_value_but_no_secret() {
    for (variable, expected, pairs) in [
        ("PUBLIC_URL", "http", &[("PUBLIC_URL", "studio.example")] as &[_]),
        ("PRODUCT_URL", "http", &[("PRODUCT_URL", "javascript:alert(1)")]),
        ("RATE_LIMITS", "on or off", &[("RATE_LIMITS", "none")]),
        ("CONFLICT_STRATEGY", "keep_both", &[("CONFLICT_STRATEGY", "mine")]),
        ("CORS_ORIGINS", "localhost", &[("CORS_ORIGINS", "*")]),
        ("CORS_ORIGINS", "localhost", &[("CORS_ORIGINS", "https://a.example, a\nb")]),
        ("CORS_ORIGINS", "localhost", &[("CORS_ORIGINS", "https://a.example/")]),
        ("DATABASE_URL", "postgres://", &[("DATABASE_URL", "mysql://ada:sesame@db.example")]),
        ("TURSO_DATABASE_URL", "libsql://", &[("TURSO_DATABASE_URL", "http://a.example, file:sesame")]),
        ("REDIS_URL", "redis://", &[("REDIS_URL", "sesame")]),
        ("REDIS_URL", "redis+cluster://", &[("REDIS_URL", "redis-cluster://:sesame@a.example")]),
        ("REDIS_URL", "redis+cluster://", &[("REDIS_URL", "redis+cluster://:sesame@")]),
        ("REDIS_URL", "redis+cluster://", &[("REDIS_URL", "redis+cluster://:sesame@a.example:1,,b.example:2")]),
        ("REDIS_URL", "redis+cluster://", &[("REDIS_URL", "rediss+cluster://:sesame@a.example:1,b.example:port")]),
        ("REDIS_URL", "redis+cluster://", &[("REDIS_URL", "redis+cluster://:ses/ame@a.example:1")]),
        ("MAIL_FROM", "sender", &[("RESEND_API_KEY", "sesame")]),
        ("JWT_SECRET", "32 bytes", &[("JWT_SECRET", "sesame")]),
        ("JWT_SECRET_PREVIOUS", "32 bytes", &[("JWT_SECRET_PREVIOUS", "sesame")]),
    ] {
        let error = first_error(pairs).expect(variable);
        let message = error.to_string();
        assert_eq!(error.variable(), variable);
        assert!(message.starts_with(variable) && message.contains(expected), "{message}");
        assert!(!message.contains("sesame") && !message.contains('\n'), "{message}");
    }
}

#[test]
fn required_settings_have_no_default() {
    let env = Env::from_pairs([("JWT_SECRET", "")]);
    let missing = [
        AuthConfig::required(&env).err(),
        PostgresConfig::required(&env).err(),
        TursoConfig::required(&env).err(),
        RedisConfig::required(&env).err(),
        EmailConfig::from_env(&env, None).err(),
    ];
    let variables = missing.map(|error| error.expect("a required setting is missing").variable());
    assert_eq!(variables, ["JWT_SECRET", "DATABASE_URL", "TURSO_DATABASE_URL", "REDIS_URL", "PUBLIC_URL"]);
}

#[test]
fn migrations_have_a_database_url_of_their_own() {
    let variable = |pairs: &[(&str, &str)]| {
        PostgresConfig::direct(&Env::from_pairs(pairs.iter().copied())).map(|config| Some(config?.variable))
    };
    let (pooled, direct) = (("DATABASE_URL", "postgres://pooler"), ("DATABASE_URL_DIRECT", "postgres://db"));
    assert_eq!(variable(&[pooled, direct]), Ok(Some("DATABASE_URL_DIRECT")));
    assert_eq!(variable(&[pooled, ("DATABASE_URL_DIRECT", "")]), Ok(Some("DATABASE_URL")));
    assert_eq!(variable(&[]), Ok(None));
    let no_certificate = variable(&[pooled, ("DATABASE_ROOT_CERTIFICATE", "/etc/ca.pem")]).expect_err("a path");
    assert_eq!(no_certificate.variable(), "DATABASE_ROOT_CERTIFICATE");
    let wrong = variable(&[pooled, ("DATABASE_URL_DIRECT", "mysql://sesame")]).expect_err("not PostgreSQL");
    assert!(wrong.variable() == "DATABASE_URL_DIRECT" && !wrong.to_string().contains("sesame"), "{wrong}");
}

#[test]
fn a_default_does_not_replace_a_value() {
    let env = Env::from_pairs([("PUBLIC_URL", "https://a.example"), ("DATA_DIR", "")]);
    let env =
        env.with_default("PUBLIC_URL", "https://b.example".to_owned()).with_default("DATA_DIR", "data".to_owned());
    assert_eq!(env.get("PUBLIC_URL").as_deref(), Some("https://a.example"));
    assert_eq!((env.get("DATA_DIR").as_deref(), env.get("PRODUCT_URL")), (Some("data"), None));
}

#[test]
fn origins_are_compared_as_browsers_send_them() {
    let origins = |list: &'static str| HttpConfig::from_env(&Env::from_pairs([("CORS_ORIGINS", list)]));
    let AllowedOrigins::Listed(listed) = origins("https://app.example.com, http://localhost:3000, tauri://localhost,")
        .expect("three origins")
        .allowed_origins
    else {
        panic!("a list of origins");
    };
    assert_eq!(listed, ["https://app.example.com", "http://localhost:3000", "tauri://localhost"]);
    for wrong in ["https://app.example.com:443", "https://App.example.com", "app.example.com", "null"] {
        assert!(origins(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_url_of_a_cluster_lists_nodes_with_the_same_credentials() {
    let nodes = |url: &str| {
        let nodes = RedisConfig::cluster_nodes(&SecretString::from(url))?;
        Some(nodes.iter().map(|node| node.expose_secret().to_owned()).collect::<Vec<_>>())
    };
    for (url, expected) in [
        ("redis+cluster://a.example", &["redis://a.example"] as &[_]),
        ("redis+cluster://a.example:1,b.example:2/", &["redis://a.example:1/", "redis://b.example:2/"]),
        ("rediss+cluster://ada:s,1@a.example,[::1]:2", &["rediss://ada:s,1@a.example", "rediss://ada:s,1@[::1]:2"]),
        (
            "redis+cluster://:p@a:1,b:2?protocol=resp3",
            &["redis://:p@a:1?protocol=resp3", "redis://:p@b:2?protocol=resp3"],
        ),
    ] {
        assert_eq!(
            nodes(url).as_deref(),
            Some(expected.iter().map(|&node| node.to_owned()).collect::<Vec<_>>().as_slice())
        );
        let env = Env::from_pairs([("REDIS_URL", url)]);
        assert!(RedisConfig::required(&env).is_ok(), "{url}");
    }
    for other in ["redis://a.example", "rediss://a.example:1/0", "http+cluster://a.example"] {
        assert_eq!(nodes(other), None);
    }
}
