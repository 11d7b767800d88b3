//! Notes that [`super::pairs`] cannot read, for no word in them names a password: an account and its password (`ada / …`), and
//! languages that write no space between a name and what is said of it (`密码是Chun2023`), so that all is one word.

use super::{
    around::{head, line_before},
    console::is_secret,
    value,
};

/// Words for a password.
const NAMES: &[&str] = &["密码", "密碼", "口令", "暗号", "パスワード", "비밀번호", "비번", "암호"];
/// What links the word to the password, and the signs the password is put in.
#[rustfmt::skip]
const LINKS: &[&str] = &[
    "设置为", "设为", "改为", "改成", "变更为", "是", "为", "為", "は", "が", "を", "는", "은", "이", "가", "：", ":", "=",
    "＝", " ", "「", "『", "“", "\"", "'", "`", "（", "(",
];

/// Whether a password follows one of the words. The value is in ASCII, as passwords are, while what goes on with the sentence
/// is not.
pub(super) fn has_password(text: &str) -> bool {
    !text.is_ascii()
        && NAMES.iter().any(|name| text.match_indices(name).any(|(at, _)| is_told(&text[at + name.len()..])))
}

fn is_told(rest: &str) -> bool {
    let mut value = rest;
    // A few links at most, so that the search stays linear.
    for _ in 0..6 {
        let Some(after) = LINKS.iter().find_map(|link| value.strip_prefix(link)) else {
            break;
        };
        value = after;
    }
    let end = value.bytes().take(80).take_while(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'`')).count();
    let word = value[..end].trim_end_matches([',', ';', ')', '.']);
    // Behind a colon a plain word will do, if it is all that is said.
    let colon = rest.starts_with(['：', ':']) && (value[end..].is_empty() || value[end..].starts_with(['\n', '\r']));
    let plain = colon && word.len() > 3 && !value::is_status_word(word);
    let looks = value::is_opaque(word) || value::is_coined(word) || plain;
    value.len() < rest.len() && looks && !value::is_placeholder(word) && !word.contains(['(', '='])
}

/// Words between "log in" and the account.
const FILLERS: &[&str] = &["in", "with", "as", "using", "mit", "als", "avec", "con", "com", "is", "are", "sind", "for"];

/// Maximum length of a login, in bytes.
const LOGIN: usize = 120;

/// Notes such as `login: ada / password`, `creds ada:password`, `log in with ada / password`.
pub(super) fn is_login(after: &str) -> bool {
    let words = head(after, LOGIN).trim_start_matches([':', '=', ' ']).split_whitespace();
    let mut words = words.skip_while(|word| FILLERS.contains(word)).take(3);
    let (user, sign, last) = (words.next().unwrap_or_default(), words.next(), words.next());
    let name = user.split([':', '/']).next().unwrap_or_default();
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '\\')) {
        return false;
    }
    let together = || user.split_once(':').or_else(|| user.split_once('/')).map(|(_, password)| password);
    let password = if sign == Some("/") { last } else { together() };
    password.is_some_and(is_password)
}

/// Accounts that every server has, or most.
const ACCOUNTS: &[&str] = &["admin", "administrator", "root", "sa", "postgres", "sys", "system", "app", "test", "demo"];

/// Whether `before` ends with an account: `-- ada`, "use ada".
pub(super) fn names_account(before: &str) -> bool {
    let line = line_before(before).trim_start();
    let text = line.trim_start_matches(['-', '#', '/', '*']);
    let mut words = text.split_whitespace().rev();
    let account = words.next().is_some_and(|word| word.chars().all(|c| c.is_alphanumeric() || "_-.@".contains(c)));
    account
        && match words.next() {
            None => text.len() < line.len() || ACCOUNTS.iter().any(|known| text.trim().eq_ignore_ascii_case(known)),
            Some(word) => {
                let word = word.to_ascii_lowercase();
                word == "use" || word == "user" || word == "account" || FILLERS.contains(&word.as_str())
            }
        }
}

/// Whether a word behind an account is its password.
pub(super) fn is_password(word: &str) -> bool {
    (is_made_up(word) || value::is_coined(word)) && is_secret(word)
}

/// More than a word with a number behind it, such as `MFA2`.
fn is_made_up(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let inner = word.trim_end_matches(|c: char| c.is_ascii_digit()).contains(|c: char| c.is_ascii_digit());
    let signs = word.contains(['!', '#', '$', '%', '&', '*', '+', '?', '@']);
    value::is_opaque(word) && word.len() > 5 && (digits > 1 || inner || signs)
}
