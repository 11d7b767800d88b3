//! Tokens and keys in well-known formats, wherever they stand, and the headers that carry tokens.

use std::ops::Range;

use base64::{
    Engine as _,
    engine::DecodePaddingMode,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig},
};

use super::detector::Detector;
use crate::{
    rules::{KeywordGroups, Step, TOKENS, TokenFormat, rule},
    text::{Match, Text, head},
    value,
};

/// How far a header's value is followed, in bytes.
const HEADER: usize = 400;
/// How far the members of a JSON Web Key are followed, in bytes.
const JSON_WEB_KEY: usize = 1024;

/// Tokens in the formats of `rules/tokens.toml`, `Bearer` and `Basic` headers, and JSON Web Keys.
pub(super) struct Tokens;

impl Detector for Tokens {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::TOKENS
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        text.hits(KeywordGroups::TOKENS).find_map(|hit| {
            text.budget.spend(1)?;
            let (at, keyword) = (hit.at(), hit.keyword());
            let rest = &text.all[at + keyword.text.len()..];
            let starts_word = !text.all[..at].ends_with(char::is_alphanumeric);
            let found = keyword.parsers.iter().find_map(|rule| {
                let value = match *rule {
                    rule::AUTHORIZATION_BEARER if starts_word => bearer(rest),
                    rule::AUTHORIZATION_BASIC if starts_word => basic(rest),
                    rule::JSON_WEB_KEY => json_web_key(rest),
                    _ => None,
                };
                Some(Match::new(*rule, value?))
            });
            found.or_else(|| {
                let keyword_end = at + keyword.text.len();
                let formats = keyword.tokens.iter().map(|format| &TOKENS[usize::from(*format)]);
                formats
                    .into_iter()
                    .find_map(|format| Some(Match::new(format.rule, token(format, text.all, at..keyword_end)?)))
            })
        })
    }
}

/// The token of `format` whose keyword is the part `keyword` of `text`.
fn token<'t>(format: &TokenFormat, text: &'t str, keyword: Range<usize>) -> Option<&'t str> {
    let bytes = text.as_bytes();
    let start = format.before.iter().rev().try_fold(keyword.start, |end, step| {
        let run = bytes[..end].iter().rev().take(step.max.into()).take_while(|b| accepts(step, **b)).count();
        (run >= step.min.into()).then_some(end - run)
    })?;
    let starts_word = !bytes[start].is_ascii_alphanumeric() || !text[..start].ends_with(char::is_alphanumeric);
    if format.word_start && !starts_word {
        return None;
    }
    let end = format.from.iter().try_fold(keyword.start, |start, step| {
        let run = bytes[start..].iter().take(step.max.into()).take_while(|b| accepts(step, **b)).count();
        (run >= step.min.into()).then_some(start + run)
    })?;
    let ends_word = || !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
    let body = bytes.get(keyword.end..end)?;
    let fits = (!format.whole_word || ends_word())
        && (!format.distinct || is_random(body))
        && (!format.digit || body.iter().any(u8::is_ascii_digit));
    fits.then(|| &text[start..end])
}

fn accepts(step: &Step, byte: u8) -> bool {
    byte.is_ascii() && step.accepts >> byte & 1 == 1
}

/// At least five different characters: `xxxxxxxx` and `00000000` are stand-ins.
fn is_random(body: &[u8]) -> bool {
    body.iter().fold(0_u128, |seen, byte| seen | 1 << (byte & 0x7f)).count_ones() >= 5
}

/// The value of a header at the start of `rest`.
fn header(rest: &str) -> &str {
    let rest = head(rest, HEADER).trim_start_matches([' ', '"', '\'']);
    let end = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-_.~+/=".contains(b)).count();
    &rest[..end]
}

/// `Bearer …` of an Authorization header.
fn bearer(rest: &str) -> Option<&str> {
    let token = header(rest);
    let mixed = token.bytes().any(|b| b.is_ascii_alphabetic()) && token.bytes().any(|b| b.is_ascii_digit());
    (token.len() >= 12 && is_random(token.as_bytes()) && mixed).then_some(token)
}

/// `Basic …` of an Authorization header: `user:password` in base64.
fn basic(rest: &str) -> Option<&str> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let value = header(rest);
    let login = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
    let (user, password) = login.split_once(':')?;
    let told = !user.is_empty() && !value::is_placeholder(password) && !login.contains(char::is_control);
    told.then_some(value)
}

/// A private or symmetric key in JSON (RFC 7517), of which the member with the key follows its type.
fn json_web_key(rest: &str) -> Option<&str> {
    let members = head(rest, JSON_WEB_KEY).split('}').next()?;
    ["\"d\"", "\"k\""].iter().find_map(|name| {
        let (_, after) = members.split_once(name)?;
        let key = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?;
        (key.len() > 20).then_some(key)
    })
}
