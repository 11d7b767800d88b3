//! A search takes bounded work, whatever the text: a text that would take more is refused.

use std::time::Instant;

use secret_scan::{TooDense, find};
use serde_json::{Value, json};

/// A text of `bytes` that repeats `unit`.
fn repeat(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
}

/// Ten items of 990 KB of these, in 15 KB of gzip, took 47 s of processor time before there was a budget.
#[test]
fn texts_of_nothing_but_keywords_are_refused() {
    for unit in ["creds:-", "login:", "logins:", "credentials:", "pw:", "token=", "sig=", "пароль ", "s3(", "@"] {
        let item = json!({ "data": { "query": repeat(unit, 99_000) } });
        let path = "data.query".to_owned();
        assert_eq!(find(&item), Err(TooDense { path }), "{unit}");
    }
}

/// A credential is named even if the rest of the text is too dense.
#[test]
fn a_credential_comes_before_the_budget() {
    let text = format!("password: Kormoran77\n{}", repeat("pw:", 30_000));
    let found = find(&json!({ "description": text })).expect("it is found first").expect("it is found");
    assert_eq!(found.rule.id, "text-password");
}

/// Many small texts cannot take together what one long text cannot.
#[test]
fn the_budget_is_one_for_the_whole_change() {
    let tags: Vec<String> = (0..200).map(|_| repeat("@ ", 40)).collect();
    assert_eq!(find(&json!({ "tags": tags[..1] })), Ok(None));
    assert!(find(&json!({ "tags": tags })).is_err());
}

/// Definitions of tables, translations and forms name secrets more often than other texts.
#[test]
fn dense_texts_that_people_write_pass() {
    let columns: Vec<String> =
        (0..500).map(|n| format!("password_{n} text, token_{n} text, api_key_{n} text")).collect();
    let texts = [
        format!("CREATE TABLE secrets ({})", columns.join(", ")),
        repeat("SELECT password, token, api_key, secret, passphrase FROM accounts;\n", 20_000),
        repeat("password, token, secret, key, ", 2_000),
        repeat("SELECT login, password FROM users WHERE login = $1 AND password = $2 AND token = $3;\n", 20_000),
        repeat("ada@example.com; bob@example.com; ", 20_000),
        repeat(
            "DB_PASSWORD=\nAPI_TOKEN=\nREDIS_URL=\nLOG_LEVEL=info\nSMTP_PASSWORD=\nJWT_SECRET=\nPORT=8080\n",
            20_000,
        ),
        repeat("# the password\npassword: ${DB_PASSWORD}\ntoken: ${API_TOKEN}\n", 20_000),
    ];
    for text in texts {
        assert_eq!(find(&json!({ "query": text })), Ok(None), "{:.80}", text);
    }
}

/// Items that once took time with the square of their size, or searched their parts again on every level.
fn quadratic_items(size: usize) -> Vec<(&'static str, Value)> {
    let columns = "pw,".repeat(size / 6);
    let insert = format!("INSERT INTO t ({columns}1) VALUES (1{})", ",''".repeat(size / 6));
    let names = vec!["password_of_the_user"; size / 46];
    let rows = vec![Vec::<Value>::new(); size / 6];
    let copy = format!("COPY t ({}pw) FROM stdin\n", "pw,".repeat(size / 300));
    let copies = format!("{}{}", copy.trim_end().repeat(20), format!("\n{}", "a_\t".repeat(size / 300)).repeat(50));
    let nested = (0..100).fold(json!(vec!["see here"; size / 20]), |value, _| json!({ "pw": value }));
    let described = vec![json!({ "name": "token", "value": "" }); size / 27];
    vec![
        ("columns of a statement", json!({ "query": insert })),
        ("names beside rows", json!({ "columns": names, "rows": rows })),
        ("names beside objects", json!({ "columns": names, "rows": vec![json!({ "1": "" }); size / 10] })),
        ("rows of a dump", json!({ "query": copies })),
        ("nested fields", nested),
        ("described fields", json!({ "fields": described })),
        ("lookalikes", json!({ "query": "а".repeat(size / 2) })),
        ("curly quotes", json!({ "query": "„a".repeat(size / 4) })),
        ("delimiters", json!({ "query": "q'[".repeat(size / 3) })),
        ("unclosed bodies", json!({ "query": "$a$ pw $b$ '".repeat(size / 12) })),
    ]
}

#[test]
fn time_grows_with_the_size_and_not_with_its_square() {
    const FACTOR: usize = 8;
    let time = |item: &Value| {
        let runs = (0..3).map(|_| {
            let start = Instant::now();
            drop(find(item));
            start.elapsed()
        });
        runs.min().unwrap_or_default()
    };
    for ((name, small), (_, large)) in quadratic_items(20_000).iter().zip(&quadratic_items(20_000 * FACTOR)) {
        let ratio = time(large).as_secs_f64() / time(small).as_secs_f64();
        // Linear time has a ratio of 8, quadratic time one of 64.
        assert!(ratio < 24.0, "{name}: {ratio:.1} times as long for {FACTOR} times the size");
    }
}
