//! Tokens and keys in well-known formats, wherever they stand.

use super::{trigger, value};

/// A format that is told by its prefix and length.
pub(super) struct Format {
    pub prefix: &'static str,
    /// Where the rarest pair of bytes of the prefix is, by which [`trigger`] looks for it.
    pub rare: usize,
    /// The characters that may follow, besides letters and digits.
    signs: &'static str,
    /// How many characters follow at least.
    least: usize,
}

const fn format(prefix: &'static str, rare: usize, signs: &'static str, least: usize) -> Format {
    Format { prefix, rare, signs, least }
}

/// The formats of well-known vendors.
pub(super) const FORMATS: &[Format] = &[
    format("ghp_", 0, "", 20),
    format("gho_", 0, "", 20),
    format("ghu_", 0, "", 20),
    format("ghs_", 0, "", 20),
    format("ghr_", 0, "", 20),
    format("github_pat_", 5, "_", 22),
    format("glpat-", 0, "-_.", 16),
    format("glsa_", 0, "_", 24),
    format("xoxb-", 1, "-", 10),
    format("xoxa-", 1, "-", 10),
    format("xoxp-", 1, "-", 10),
    format("xoxr-", 1, "-", 10),
    format("xoxs-", 1, "-", 10),
    format("xoxe-", 1, "-", 10),
    format("xapp-", 0, "-", 16),
    format("sk_live_", 1, "", 10),
    format("sk_test_", 1, "", 10),
    format("rk_live_", 1, "", 10),
    format("rk_test_", 1, "", 10),
    format("whsec_", 1, "+/=", 20),
    format("sk-ant-", 1, "-_", 16),
    format("sk-proj-", 1, "-_", 16),
    format("sk-or-", 1, "-_", 16),
    format("sk-svcacct-", 1, "-_", 16),
    format("sk-", 1, "", 32),
    format("AIza", 2, "-_", 30),
    format("hooks.slack.com/services/", 5, "/", 20),
    format("npm_", 0, "", 30),
    format("SG.", 1, "-_.", 40),
    format("pypi-", 3, "-_", 40),
    format("dop_v1_", 4, "", 40),
    format("hf_", 1, "", 30),
    format("ya29.", 1, "-_.", 20),
    format("shpat_", 1, "", 30),
    format("shpss_", 1, "", 30),
    format("GOCSPX-", 2, "-_", 20),
    format("dapi", 2, "-", 32),
    format("pscale_pw_", 7, "-_.", 20),
    format("pscale_tkn_", 7, "-_.", 20),
    format("sbp_", 2, "", 36),
    format("sb_secret_", 1, "-_", 20),
    format("npg_", 2, "", 12),
    format("AVNS_", 1, "-_", 15),
    format("hvs.", 1, "-_", 20),
    format("dckr_pat_", 2, "-_", 20),
    format("lin_api_", 2, "", 32),
    format("figd_", 2, "-_", 30),
    format("PMAK-", 2, "-", 40),
    format("gsk_", 2, "", 40),
    format("AGE-SECRET-KEY-1", 0, "", 50),
    format("sq0atp-", 1, "-_", 20),
    format("ATATT3x", 4, "-_=", 40),
    format("sl.", 0, "-_", 100),
    format("sha256~", 5, "-_", 40),
    format("sk.ey", 1, "._-", 60),
    format("dose", 0, "", 32),
    format(".atlasv1.", 4, "-_", 40),
    format("sgp_", 1, "_", 36),
    format("shippo_live_", 3, "", 36),
    format("pnu_", 1, "", 30),
    format("xau_", 1, "", 30),
    format("CCDB1_", 2, "_", 40),
    format("essu_", 2, "+/=", 40),
    format("dbtc_", 1, "-_", 36),
    format("dbtu_", 1, "-_", 36),
    format("mb_", 0, "+/=", 40),
    format("hxtp_", 0, "", 60),
    format("EZAK", 1, "", 50),
    format("FLWSECK-", 1, "-", 30),
    format("GR1348941", 1, "-_", 20),
    format("aio_", 1, "", 28),
    format("tfp_", 1, "-_", 40),
    format("access_token$", 5, "$_", 40),
    format("EAACEdEose0cBA", 5, "", 20),
    format("1//0", 0, "-_", 60),
    format("FwoGZXIvYXdz", 3, "+/=", 60),
    format("IQoJb3JpZ2lu", 4, "+/=", 60),
    format("SSWS ", 2, "-_", 40),
    format("hooks.zapier.com/hooks/catch/", 6, "/", 10),
    format("b3BlbnNzaC1rZXktdjE", 5, "+/=", 60),
    format("key-", 1, "", 32),
    format("rnd_", 2, "", 28),
    format("fo1_", 0, "-_", 40),
    format("nvapi-", 4, "-_", 60),
    format("secret_", 5, "", 40),
    format("webhook.office.com/webhookb2/", 7, "@-/", 60),
    format("dp.pt.", 2, "", 30),
    format("dp.st.", 2, "._-", 30),
    format("dp.sa.", 2, "", 30),
    format("NRAK-", 1, "", 20),
    format("xkeysib-", 6, "-", 40),
    format("sntrys_", 4, "_=+/", 30),
    format("sntryu_", 4, "", 30),
    format("phx_", 1, "", 30),
    format("r8_", 0, "", 30),
    format("lsv2_pt_", 2, "_", 30),
    format("tskey-", 1, "-", 20),
    format("ops_ey", 2, "_-", 60),
    format("ntn_", 1, "", 30),
    format("shpca_", 3, "", 30),
    format("shppa_", 3, "", 30),
    format("glptt-", 3, "-_", 16),
    format("gldt-", 2, "-_", 16),
    format("glrt-", 2, "-_.", 16),
    format("xoxc-", 1, "-", 10),
    format("xoxd-", 1, "-%", 10),
    format("rubygems_", 3, "", 40),
    format("pul-", 1, "", 30),
    format("sq0csp-", 1, "-_", 20),
    format("dt0c01.", 2, ".", 40),
    format("hvb.", 1, "-_", 20),
    format("hvr.", 1, "-_", 20),
    format("nfp_", 1, "", 30),
    format("napi_", 2, "", 30),
    format("pscale_oauth_", 8, "-_.", 20),
    format("xai-", 0, "", 40),
    format("pplx-", 2, "", 32),
    format("mdb_sa_sk_", 1, "-_", 20),
    format("dckr_oat_", 0, "-_", 20),
    format("doo_v1_", 3, "", 40),
    format("dor_v1_", 3, "", 40),
    format("re_", 1, "_", 24),
    format("ATCTT3x", 3, "-_=", 40),
    format("ATBB", 1, "", 28),
    format("CFPAT-", 1, "-_", 30),
    format("CCIPAT_", 1, "_", 30),
    format("bkua_", 0, "", 30),
    format("snyk_", 2, "", 30),
    format("glc_ey", 2, "", 30),
    format("fm2_", 1, "+/=", 40),
    format("lin_oauth_", 3, "", 30),
    format("HRKU-", 1, "-_", 30),
];

/// Whether `text` holds a token in one of the known formats.
pub(super) fn has_token(text: &str) -> bool {
    trigger::hits(text).filter(|(_, family)| family & trigger::TOKEN != 0).any(|(at, _)| {
        // A token starts a word: `task-…` must not be read as `sk-…`.
        let inside = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let rest = &text[at..];
        let starts_inside = rest.starts_with([':', '/', '.', '8', '"']);
        (!inside || starts_inside) && is_token(text, at, rest)
    })
}

fn is_token(text: &str, at: usize, rest: &str) -> bool {
    FORMATS.iter().any(|format| fits(format, rest))
        || is_aws_key(rest)
        || is_jwt(text, at)
        || is_header(rest)
        || is_telegram(text, at)
        || is_discord(rest)
        || is_entra(text, at)
        || is_jwk(rest)
}

fn fits(format: &Format, rest: &str) -> bool {
    let Some(body) = rest.strip_prefix(format.prefix) else {
        return false;
    };
    let body = run(body, |b| b.is_ascii_alphanumeric() || format.signs.as_bytes().contains(&b));
    // All formats are random, so a long one without a digit is a name ("npm_config_…").
    body.len() >= format.least && is_random(body) && body.bytes().any(|b| b.is_ascii_digit())
}

/// The leading bytes of `text` that satisfy `is`, at most 400 of them so that every check is
/// bounded.
fn run(text: &str, is: impl Fn(u8) -> bool) -> &str {
    let end = text.bytes().take(400).take_while(|&b| is(b)).count();
    text.get(..end).unwrap_or_default()
}

/// At least five different characters: `xxxxxxxx` and `00000000` are stand-ins.
fn is_random(body: &str) -> bool {
    let mut seen = 0_u128;
    for byte in body.bytes() {
        seen |= 1 << (byte & 0x7f);
    }
    seen.count_ones() >= 5
}

/// `AKIA` or `ASIA` and 16 capital letters and digits.
fn is_aws_key(rest: &str) -> bool {
    let word = run(rest, |b| b.is_ascii_alphanumeric());
    (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.len() == 20
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && is_random(word)
}

/// Three parts of base64url of which the first two start like JSON objects.
fn is_jwt(text: &str, at: usize) -> bool {
    let base64url = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    // Only the start of a word is looked at, so that a long run is not read once per `eyJ` in it.
    if text[..at].bytes().next_back().is_some_and(|b| base64url(&b)) {
        return false;
    }
    let mut rest = &text.as_bytes()[at..];
    let mut part = |start: &[u8], least: usize| {
        let length = rest.iter().take(8192).take_while(|b| base64url(b)).count();
        let fits = rest.starts_with(start) && length >= least;
        rest = rest.get(length + 1..).unwrap_or_default();
        fits
    };
    let dots = |end: usize| text.as_bytes().get(end) == Some(&b'.');
    let first = text[at..].bytes().take(8192).take_while(base64url).count();
    dots(at + first) && part(b"eyJ", 10) && part(b"eyJ", 6) && part(b"", 6)
}

/// `Bearer …` and `Basic …` as in an Authorization header.
fn is_header(rest: &str) -> bool {
    let strip = |scheme: &str| {
        let head = rest.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| rest[scheme.len()..].trim_start_matches([' ', '"', '\'']))
    };
    let value = |text| run(text, |b: u8| b.is_ascii_alphanumeric() || b"-_.~+/=".contains(&b));
    if let Some(token) = strip("bearer ").map(value) {
        let letters = token.bytes().any(|b| b.is_ascii_alphabetic());
        return token.len() >= 12 && is_random(token) && letters && token.bytes().any(|b| b.is_ascii_digit());
    }
    strip("basic ").map(value).and_then(decode).is_some_and(|login| {
        login.split_once(':').is_some_and(|(user, password)| {
            !user.is_empty() && !value::is_placeholder(password) && login.chars().all(|c| !c.is_control())
        })
    })
}

/// Base64 of a printable text, or None.
fn decode(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A Telegram bot: digits, `:AA`, 33 characters.
fn is_telegram(text: &str, at: usize) -> bool {
    let digits = text[..at].bytes().rev().take(11).take_while(u8::is_ascii_digit).count();
    let body = text[at..]
        .strip_prefix(':')
        .map_or("", |rest| run(rest, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
    (8..=10).contains(&digits) && (34..=36).contains(&body.len())
}

/// A Discord webhook: `/api/webhooks/<number>/<token>`.
fn is_discord(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("/api/webhooks/") else {
        return false;
    };
    let number = run(rest, |b| b.is_ascii_digit());
    let token = rest[number.len()..]
        .strip_prefix('/')
        .map_or("", |t| run(t, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
    number.len() >= 15 && token.len() >= 30
}

/// A client secret of Microsoft Entra: three characters, `8Q~`, and 34 more.
fn is_entra(text: &str, at: usize) -> bool {
    let before = text.as_bytes()[..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric()).take(4).count();
    let rest = text[at..].strip_prefix("8Q~");
    before == 3 && rest.is_some_and(|rest| run(rest, |b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)).len() >= 30)
}

/// A private or symmetric key in JSON (RFC 7517), of which the member with the key follows its type.
fn is_jwk(rest: &str) -> bool {
    let Some(members) = rest.strip_prefix("\"kty\"") else { return false };
    let end = members.bytes().take(1024).position(|b| b == b'}').unwrap_or(members.len().min(1024));
    let members: String = members.get(..end).unwrap_or_default().split_whitespace().collect();
    ["\"d\":\"", "\"k\":\""].iter().any(|key| members.split_once(key).is_some_and(|(_, value)| value.len() > 20))
}
