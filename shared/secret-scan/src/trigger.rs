//! One cheap pass over a text that says which detectors are worth running.
//!
//! Almost every string of a change is clean, so the speed of the whole module is the speed of
//! this file. Each needle is found by its rarest pair of bytes: a table of 32 KB says for every
//! pair of the text which needle has it, and only then are bytes compared.

use super::tokens::FORMATS;

/// Words that name a secret, such as `pass` or `token`.
pub(super) const NAME: u8 = 1;
/// Something that may hold `user:password@host`.
pub(super) const URL: u8 = 2;
/// The first line of a PEM, OpenSSH, PGP or PuTTY key.
pub(super) const PEM: u8 = 4;
/// The fixed prefix of a well-known token format.
pub(super) const TOKEN: u8 = 8;
/// Command lines that take a password as an option.
pub(super) const COMMAND: u8 = 16;
/// SQL that needs the lexer although no word in it names a secret.
pub(super) const SQL: u8 = 32;

/// (families, offset of the pair to look for, needle).
type Needle = (u8, usize, &'static str);

/// Besides the prefixes of [`FORMATS`].
const NEEDLES: &[Needle] = &[
    (NAME, 2, "pass"),
    (NAME, 0, "pw"),
    (NAME, 1, "token"),
    (NAME, 2, "secret"),
    (NAME, 1, "key"),
    (NAME, 0, "cred"),
    (NAME | TOKEN, 0, "bearer"),
    (NAME, 0, "jwt"),
    (NAME, 6, "authorization"),
    (NAME, 4, "basic_auth"),
    (NAME, 4, "basicauth"),
    (NAME, 2, "cookie"),
    (NAME, 1, "phrase"),
    (NAME, 0, "mnemonic"),
    (NAME, 2, "sig="),
    (NAME, 2, "signature"),
    (NAME, 3, "kennwort"),
    (NAME, 2, "senha"),
    (NAME, 4, "contrase"),
    (NAME, 4, "wachtwoord"),
    (NAME, 2, "haslo"),
    (NAME, 3, "hasło"),
    (NAME, 2, "heslo"),
    (NAME, 1, "ösenord"),
    (NAME, 0, "пароль"),
    (NAME, 0, "Пароль"),
    (NAME, 0, "密码"),
    (NAME, 0, "密碼"),
    (NAME, 0, "パスワード"),
    (NAME, 0, "비밀번호"),
    (NAME, 0, "mdp"),
    (NAME, 0, "şifre"),
    (NAME, 0, "Şifre"),
    (NAME, 2, "sifre"),
    (NAME, 2, "parola"),
    (NAME, 1, "adgangskode"),
    (NAME, 3, "salasana"),
    (NAME, 0, "jelsz"),
    (NAME, 3, "lozinka"),
    (NAME, 0, "口令"),
    (NAME, 2, "clave"),
    (NAME, 2, "otp_seed"),
    (NAME, 2, "otpseed"),
    (NAME, 1, "mfa_seed"),
    (NAME, 0, "暗証番号"),
    (NAME, 3, "parool"),
    (NAME, 1, "psswd"),
    (NAME, 0, "暗号"),
    (NAME, 0, "비번"),
    (NAME, 0, "암호"),
    (URL, 0, "://"),
    (URL, 3, "thin:"),
    (URL, 0, "@tcp("),
    (URL, 0, "@unix("),
    (PEM, 4, "-----begin "),
    (PEM, 13, "---- begin ssh2"),
    (PEM, 4, "putty-user-key-file-"),
    (PEM, 2, "ls0tls1crudjti"),
    (COMMAND, 1, " -p"),
    (COMMAND, 1, " -a"),
    (COMMAND, 1, " -u"),
    (COMMAND, 1, "--user"),
    (COMMAND, 0, "-user"),
    (COMMAND, 2, "sqlplus"),
    (COMMAND, 4, ":5432:"),
    (COMMAND, 1, " -w "),
    (COMMAND, 2, "impdp "),
    (COMMAND, 1, "expdp "),
    (COMMAND, 0, "conn"),
    (COMMAND, 2, "logon "),
    (COMMAND, 2, "login"),
    (COMMAND, 2, "creds"),
    (COMMAND, 0, "zugang"),
    (COMMAND, 2, "log in "),
    (COMMAND, 1, "sign in "),
    (COMMAND, 1, "anmeld"),
    (COMMAND, 4, "einloggen"),
    (COMMAND, 1, "credentials"),
    (COMMAND, 1, "acceso"),
    (COMMAND, 1, "accesso"),
    (COMMAND, 3, "net use"),
    (COMMAND, 0, "auth2 "),
    (COMMAND, 3, "userid="),
    (COMMAND, 2, "target "),
    (COMMAND, 4, "redis("),
    (COMMAND, 1, "azureblobstorage("),
    (COMMAND, 0, "gcs("),
    (COMMAND, 2, "s3cluster("),
    (COMMAND, 3, "sp_setapprole"),
    (COMMAND, 3, "sp_change_users_login"),
    (COMMAND, 1, "sqlldr "),
    (COMMAND, 1, "exp "),
    (COMMAND, 2, "chpasswd"),
    (COMMAND, 1, "htpasswd "),
    (SQL, 6, "add_parquet_key("),
    (COMMAND, 1, "identifiants"),
    (COMMAND, 4, "openrowset("),
    (COMMAND, 1, "s3("),
    (COMMAND, 5, "crypt('aes"),
    (COMMAND, 3, " as the password"),
    (COMMAND, 4, " as password"),
    (COMMAND, 0, "auth "),
    (COMMAND, 0, " / "),
    (COMMAND, 3, "setuser "),
    (COMMAND, 2, "requirepass "),
    (COMMAND, 6, "masterauth "),
    (COMMAND, 0, "using "),
    (COMMAND, 1, "sp_add"),
    (COMMAND, 1, "sp_password"),
    (SQL, 2, "remotesecure"),
    (SQL, 2, "remote("),
    (SQL, 3, "mysql("),
    (SQL, 5, "postgresql("),
    (SQL, 2, "crypt"),
    (SQL, 5, "identified"),
    (SQL, 0, "hmac"),
    (SQL, 3, "auth("),
    (SQL, 3, "mongodb("),
    (SQL, 2, "connect("),
    (SQL, 6, "plaintextauthprovider("),
    (SQL, 2, "sequelize("),
    (SQL, 4, "withpassword("),
    (SQL, 4, "withcredentials("),
    (SQL, 3, "hashsync("),
    (SQL, 2, "auth=("),
    (SQL, 4, "withauthcredentials("),
    (SQL, 4, "cipheriv("),
    (SQL, 2, "fernet("),
    (NAME, 0, "sst_auth"),
    (SQL, 4, "mysqli("),
    (SQL, 1, "pdo("),
    (SQL, 4, "getconnection("),
    (SQL, 2, "sign("),
    (COMMAND, 0, "_auth="),
    (COMMAND, 5, "securestring "),
    (COMMAND, 0, "-stdin"),
    (COMMAND, 0, "sudo -s"),
    (COMMAND, 5, "secret create "),
    (COMMAND, 3, "luksopen "),
    (COMMAND, 2, "--value "),
    (COMMAND, 8, "--secret-string "),
    (SQL, 1, "login("),
    (SQL, 2, "sign_in("),
    (SQL, 8, "authenticate("),
    (SQL, 8, "authenticate_user("),
    (SQL, 8, "create_user("),
    (SQL, 8, "createuser("),
    (SQL, 5, "set_wallet("),
    (SQL, 8, "set_authentication("),
    (SQL, 0, "rds_set_external_"),
    (SQL, 3, "pragma"),
    (SQL, 3, "sqlite3_"),
    (SQL, 6, "account_add("),
    (SQL, 3, "verify("),
    (SQL, 0, "jwt_encode("),
    (SQL, 1, "pwdcompare("),
    (SQL, 2, "add_user("),
    (SQL, 2, "adduser("),
    (SQL, 2, "register_user("),
    (SQL, 4, "signin("),
    (SQL, 2, "logon("),
    (SQL, 4, "login_user("),
    (TOKEN, 0, "akia"),
    (TOKEN, 2, "asia"),
    (TOKEN, 4, "/api/webhooks/"),
    (TOKEN, 1, "eyj"),
    (TOKEN, 4, "basic "),
    (TOKEN, 0, "8q~"),
    (TOKEN, 1, "\"kty\""),
    (TOKEN, 0, ":aa"),
];

/// How many needles there are in all.
const COUNT: usize = NEEDLES.len() + FORMATS.len();

/// All needles; upper and lower case are alike.
static ALL: [Needle; COUNT] = {
    let mut all = [(TOKEN, 0, ""); COUNT];
    let mut n = 0;
    while n < COUNT {
        all[n] = if n < NEEDLES.len() {
            NEEDLES[n]
        } else {
            let format = &FORMATS[n - NEEDLES.len()];
            (TOKEN, format.rare, format.prefix)
        };
        n += 1;
    }
    all
};

/// A byte without the bit that tells upper from lower case, as seven bits. Other bytes may
/// collide, which only costs a comparison.
const fn squeeze(byte: u8) -> usize {
    ((byte & 0x1f) | (byte >> 1 & 0x60)) as usize
}

const fn pair(first: u8, second: u8) -> usize {
    squeeze(first) << 7 | squeeze(second)
}

/// For every pair of squeezed bytes one more than the first needle looked for by it, or 0; then
/// for every needle the next one with the same pair, in the same way.
struct Table {
    heads: [u16; 1 << 14],
    next: [u16; COUNT],
}

static TABLE: Table = {
    let mut table = Table { heads: [0; 1 << 14], next: [0; COUNT] };
    let mut n = 0;
    while n < COUNT {
        let (_, rare, needle) = ALL[n];
        let key = pair(needle.as_bytes()[rare], needle.as_bytes()[rare + 1]);
        table.next[n] = table.heads[key];
        table.heads[key] = n as u16 + 1;
        n += 1;
    }
    table
};

/// Needles found in a text, from the left: (position of the needle, its families).
pub(super) struct Hits<'a> {
    bytes: &'a [u8],
    /// Where the pair being looked at starts.
    at: usize,
    /// One more than the needle to compare next at that pair, or 0.
    needle: u16,
}

/// All needles in `text`.
pub(super) fn hits(text: &str) -> Hits<'_> {
    let mut hits = Hits { bytes: text.as_bytes(), at: 0, needle: 0 };
    hits.skip_to_pair();
    hits
}

/// The union of the families of all needles in `text`.
pub(super) fn families(text: &str) -> u8 {
    hits(text).fold(0, |all, (_, found)| all | found)
}

/// Whether any word in `text` could name a secret.
pub(super) fn has_name(text: &str) -> bool {
    hits(text).any(|(_, found)| found & NAME != 0)
}

impl Hits<'_> {
    /// Moves to the next position, from the current one on, whose pair belongs to a needle.
    fn skip_to_pair(&mut self) {
        let Some((&first, rest)) = self.bytes.get(self.at..).and_then(<[u8]>::split_first) else {
            return;
        };
        let mut before = squeeze(first);
        for (n, &byte) in rest.iter().enumerate() {
            let here = squeeze(byte);
            let head = TABLE.heads[before << 7 | here];
            if head != 0 {
                self.at += n;
                self.needle = head;
                return;
            }
            before = here;
        }
        self.at = self.bytes.len();
    }

    /// The position where `needle` starts if its pair is the one at `self.at`.
    fn start_of(&self, &(_, rare, needle): &Needle) -> Option<usize> {
        let want = needle.as_bytes();
        let start = self.at.checked_sub(rare)?;
        let have = self.bytes.get(start..start + want.len())?;
        have.eq_ignore_ascii_case(want).then_some(start)
    }
}

impl Iterator for Hits<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<Self::Item> {
        while self.needle != 0 {
            let n = usize::from(self.needle) - 1;
            let found = self.start_of(&ALL[n]).map(|start| (start, ALL[n].0));
            self.needle = TABLE.next[n];
            if self.needle == 0 {
                self.at += 1;
                self.skip_to_pair();
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}
