//! Where a credential is said to be.

use secret_scan::{Finding, find};
use serde_json::{Value, json};

/// The finding in `text`, and the part of the text that it points at, as a client in JavaScript cuts it out.
fn found(field: &str, text: &str) -> (Finding, String) {
    let finding = find(&json!({ field: text })).expect("the text is short").expect("it holds a credential");
    let span = finding.span.clone().expect("the value is a text");
    let units: Vec<u16> = text.encode_utf16().collect();
    let cut = String::from_utf16(&units[span.utf16]).expect("the span does not cut a character");
    assert_eq!(cut, text[span.bytes]);
    (finding, cut)
}

#[test]
fn a_span_is_the_credential_and_nothing_else() {
    let cases = [
        ("query", "ALTER ROLE ada PASSWORD 'Kormoran'", "password-clause", "Kormoran"),
        ("query", "-- 🦆\nSELECT * FROM users WHERE password = 'Kormoran'", "literal-password", "Kormoran"),
        ("query", "SELECT 'Grüße 🦆', AES_DECRYPT(card, 'Kormoran') FROM t", "mysql-aes", "Kormoran"),
        ("query", "DO $$ BEGIN ALTER ROLE ada PASSWORD 'Kormoran'; END $$", "password-clause", "Kormoran"),
        ("description", "Wartung 🦆: postgres://ada:Kormoran@db/shop", "url-password", "Kormoran"),
        ("description", "PGPASSWORD=Kormoran psql", "text-password", "Kormoran"),
        ("description", "mysql -u root -pKormoran shop", "mysql-password-flag", "Kormoran"),
        ("description", "login: ada / Kormoran77", "login-note", "Kormoran77"),
        ("description", "use AKIAIOSFODNN7EXAMPLE", "aws-access-key-id", "AKIAIOSFODNN7EXAMPLE"),
        ("description", "密码是Chun2023", "cjk-note", "Chun2023"),
    ];
    for (field, text, rule, credential) in cases {
        let (finding, cut) = found(field, text);
        assert_eq!((finding.rule.id, finding.path.as_str(), cut.as_str()), (rule, field, credential), "{text}");
    }
}

/// The text is searched with its lookalikes folded, which are longer or shorter than what they look like.
#[test]
fn a_span_points_into_the_original_text() {
    for text in ["раssword: Kormoran77", "ｐａｓｓｗｏｒｄ＝Kormoran77", "№ 1 … ｐａｓｓｗｏｒｄ： Kormoran77 …"]
    {
        assert_eq!(found("description", text).1, "Kormoran77", "{text}");
    }
    assert_eq!(found("description", "password: Ｋormoran７７").1, "Ｋormoran７７");
    // A character that is folded to several ones belongs to the credential as a whole.
    for text in ["password=Kormoran77…", "password=…Kormoran77", "password=№Kormoran77™", "раssword=Kor\u{200b}moran77"]
    {
        found("description", text);
    }
}

/// A statement inside a string is searched without its escapes; the span is the whole string.
#[test]
fn a_span_in_an_escaped_string_is_the_string() {
    let text = "EXECUTE 'ALTER ROLE ada PASSWORD ''Kormoran'''";
    assert_eq!(found("query", text).1, "ALTER ROLE ada PASSWORD ''Kormoran''");
}

#[test]
fn a_field_is_a_credential_as_a_whole() {
    assert_eq!(found("password", "Kormoran 🦆").1, "Kormoran 🦆");
    let number = find(&json!({ "password": 4711 })).expect("short").expect("found");
    assert_eq!(number.span, None);
}

#[test]
fn a_credential_in_a_name_is_not_shown() {
    let change: Value = json!({ "metadata": { "postgres://ada:Kormoran@db/shop": true } });
    let finding = find(&change).expect("short").expect("found");
    assert_eq!((finding.path.as_str(), &finding.span), ("metadata", &None));
    assert!(!finding.to_string().contains("Kormoran"));
}

#[test]
fn a_credential_in_quotes_may_have_spaces_and_escapes() {
    let cases = [
        ("mysql -p\"Kor moran\" shop", "Kor moran"),
        ("curl -u 'ada:Kor moran' https://tern.test/", "Kor moran"),
        (r#"password: "Kor\"moran77""#, r#"Kor\"moran77"#),
        (r#"{\"password\": \"Kormoran\"}"#, "Kormoran"),
    ];
    for (text, credential) in cases {
        assert_eq!(found("description", text).1, credential, "{text}");
    }
}
