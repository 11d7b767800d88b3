//! Families of ways to write a password in notes, on command lines and in fields, each with what only looks like it.

use serde_json::{Value, json};

use super::{super::find, Case, check};

#[rustfmt::skip]
pub(super) const REFUSED: &[Case] = &[
    ("put together", "connect as auditor, password is Garten-Baum-Laeufer"),
    ("put together behind words", "Kasse Passwort: Weiden-Sperling"),
    ("changed to", "Root password changed to Weiden7Sperling today"),
    ("passphrase", "passphrase is \"correct horse battery staple\""),
    ("user before it", "user: ada pass: Zilpzalp"),
    ("netrc", "machine h login ada password Weiden"),
    ("Spanish", "contraseña del usuario lector: Ruiseñor_2024"),
    ("French", "le mot de passe du compte compta est « chouquette22 »"),
    ("French in short", "mdp: chouquette"),
    ("German", "Das Passwort lautet: Weiden7"),
    ("Dutch", "wachtwoord voor de lezer: Zomer2023!"),
    ("Portuguese", "senha do leitor: Verao2023"),
    ("Italian", "la password è Estate2023"),
    ("Polish", "hasło do bazy to Wiosna2023"),
    ("Czech", "heslo je Jaro2023"),
    ("Russian", "пароль от базы — Весна2023"),
    ("Turkish", "şifre: Bahar2023"),
    ("Danish", "adgangskode: Sommer2023"),
    ("Finnish", "salasana: Kesa2023"),
    ("Hungarian", "jelszó: Nyar2023"),
    ("Chinese", "密码是Chun2023"),
    ("Chinese with a colon", "口令：Chun2023"),
    ("Japanese", "パスワードは「Haru2023」です"),
    ("Korean", "비밀번호: Bom2023"),
    ("login with", "Log in with report / Zilpzalp#11 (password) on the replica first."),
    ("Zugang", "Zugang: ada / Winter2023!"),
    ("credentials", "credentials: ada / Weiden7Sperling"),
    ("header of a vendor", "curl -H 'X-ClickHouse-Key: Wach.holder.drossel' https://ch.example"),
    ("key of a file", "file:secure.db?cipher=chacha20&key=Regenbogen&kdf_iter=64007"),
    ("psql set", "\\set db_password Wachholder"),
    ("SQL*Plus without a host", "sqlplus -s hr/Wachholder @script.sql"),
    ("SQL*Plus connect without a host", "CONNECT hr/Wachholder"),
    ("loader", "sqlldr userid=hr/Wachholder control=x.ctl"),
    ("rman", "rman target sys/Wachholder@db"),
    ("attached to a tool of MongoDB", "mongodump -u ada -pWachholder"),
    ("PuTTY", "plink -ssh ada@h -pw Wachholder"),
    ("option with one dash", "isql -user SYSDBA -password masterkey x.fdb"),
    ("archive", "zip -P Weiden dump.zip dump.sql"),
    ("chpasswd", "echo \"ada:Weiden7\" | chpasswd"),
    ("PHP constant", "define('DB_PASSWORD', 'Weiden');"),
    ("PHP connection", "$pdo = new PDO('mysql:host=h', 'ada', 'Weiden7');"),
    ("property", "<property name=\"connection.password\">Weiden</property>"),
    ("property with an attribute", "<property name=\"password\" value=\"Weiden\"/>"),
    ("list of variables", "env:\n  - name: POSTGRES_PASSWORD\n    value: Weiden"),
];

#[rustfmt::skip]
pub(super) const PASSED: &[Case] = &[
    ("sensitive", "the password is case-sensitive"),
    ("encoded", "password is base64-encoded"),
    ("older", "password is older than 90days"),
    ("changed", "Password last changed 2024-05-01"),
    ("changed to an algorithm", "password changed to bcrypt"),
    ("user before a hint", "user: ada, password: see vault"),
    ("Spanish", "contraseña del usuario: ver la bóveda"),
    ("French", "le mot de passe est obligatoire"),
    ("German", "Passwort ist abgelaufen"),
    ("German for", "Passwort für den Bericht: siehe Tresor"),
    ("Polish", "hasło do bazy jest w sejfie"),
    ("Portuguese", "senha do banco é obrigatória"),
    ("Italian", "parola chiave: ordini2024"),
    ("Chinese", "密码不能为空"),
    ("Chinese column", "密码字段是 varchar(60)"),
    ("Japanese", "パスワードは8文字以上"),
    ("Korean", "비밀번호는 8자 이상"),
    ("Russian", "пароль не хранится, см. vault2"),
    ("login with", "Log in with report / read-only on the replica first."),
    ("login with a service", "Login with SSO / MFA2"),
    ("credentials rotated", "credentials rotated 2024-05-01 / 2024-08-01"),
    ("Zugang", "Zugang: nur intern / VPN2"),
    ("header of a vendor", "curl -H \"X-ClickHouse-Key: $CH_KEY\" https://ch.example"),
    ("mode of a file", "file:x.db?mode=ro&cache=shared"),
    ("page of a wiki", "https://wiki.example/x?key=Page-12"),
    ("psql set", "\\set token_limit 500"),
    ("SQL*Plus without a password", "sqlplus hr@orcl"),
    ("and/or", "sqlplus and/or sqlcl"),
    ("read/write", "connect read/write"),
    ("rman of the system", "rman target /"),
    ("ARN", "see arn:aws:secretsmanager:eu-west-1:1:secret:db-AbC1"),
    ("reference", "secret://team/db1"),
    ("path of a store", "password=vault:secret/data/db#pw1"),
    ("week", "PW 12 = Kalenderwoche 12"),
];

/// Fields and values that hold a secret.
fn refused_fields() -> [Value; 14] {
    [
        json!({"type": "oracle", "username": "hr/tiger"}),
        json!({"type": "mysql", "ssh_user": "deploy:Gimpel_Rot5"}),
        json!({"type": "mysql", "host": "shop:Schnee.Fink.4@db.example"}),
        json!({"type": "sqlite", "database": "file:/data/n.db?cipher=sqlcipher&key=Grau-Ammer"}),
        json!({"metadata": {"cipher": "sqlcipher4", "key": "Garten.Ammer.Lied"}}),
        json!({"metadata": {"headers": {"X-ClickHouse-Key": "Zaun_Ammer"}}}),
        json!({"metadata": {"userlist": "\"ada\" \"Loeffel_Ente\""}}),
        json!({"metadata": {"pgpass": "h:5433:app:ada:Weiden"}}),
        json!({"metadata": {"fs.s3a.secret.key": "wJalrXUtnFEMIK7MDENG"}}),
        json!({"metadata": {"params": [["user", "ada"], ["password", "Weiden-Amsel"]]}}),
        json!({"metadata": {"auth": "ada:Weiden7Amsel"}}),
        json!({"metadata": {"login": "ada / Weiden7Amsel"}}),
        json!({"parameters": [{"name": "id", "default": 4}, {"name": "pw", "default": "Rosinenbrot!"}]}),
        json!({"metadata": {"clear_password": "Weiden"}}),
    ]
}

/// Fields and values that only look like it.
fn passed_fields() -> [Value; 14] {
    [
        json!({"type": "oracle", "username": "/@orcl"}),
        json!({"type": "sqlserver", "username": "CORP/ada1"}),
        json!({"type": "mysql", "username": "ada@h2.test"}),
        json!({"host": "ada@jump1"}),
        json!({"host": "[2001:db8::1]"}),
        json!({"metadata": {"key": "ctrl+k", "encrypted": true}}),
        json!({"metadata": {"key": "orders", "cipher_list": "HIGH:!aNULL"}}),
        json!({"metadata": {"headers": {"X-Idempotency-Key": "b1f4-77"}}}),
        json!({"metadata": {"userlist": "\"ada\" \"\""}}),
        json!({"metadata": {"i18n.form.api.key": "API-Schlüssel"}}),
        json!({"metadata": {"fs.s3a.secret.key": "${S3_SECRET}"}}),
        json!({"metadata": {"columns": [{"name": "password", "type": "varchar(60)", "default": "''"}]}}),
        json!({"parameters": [{"name": "pw", "default": ""}, {"name": "token", "default": null}]}),
        json!({"metadata": {"secret_arn": "arn:aws:secretsmanager:eu-west-1:1:secret:app-AbCdEf"}}),
    ]
}

#[test]
fn refused() {
    check("description", REFUSED, true);
}

#[test]
fn passed() {
    check("description", PASSED, false);
}

#[test]
fn fields() {
    for data in refused_fields() {
        assert!(find(&json!({"data": data})).is_some(), "{data}");
    }
    for data in passed_fields() {
        assert_eq!(find(&json!({"data": data})), None, "{data}");
    }
}
