//! Writes the rules as static tables in Rust.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
};

use crate::{
    pattern,
    schema::{Detector, Entry, Rules, Token},
};

/// Detectors and rules of a keyword.
#[derive(Default)]
struct Uses {
    groups: BTreeSet<&'static str>,
    tokens: Vec<usize>,
    parsers: Vec<String>,
    commands: Vec<String>,
}

/// The tables, as Rust.
///
/// # Errors
/// When a pattern is invalid, or a name or word contains no keyword of its entry.
pub(crate) fn code(rules: &Rules) -> Result<String, Box<dyn Error>> {
    check_keywords(rules)?;
    let mut code = String::new();
    list(&mut code, "RULES", "Rule", rules.entries(), |entry| {
        format!("Rule {{ id: {:?}, sentence: {:?} }}", entry.id, entry.sentence)
    });
    ids(&mut code, rules);
    tokens(&mut code, rules)?;
    flags(&mut code, rules);
    functions(&mut code, rules);
    list(&mut code, "STATEMENTS", "StatementRule", &rules.statement, |rule| {
        let begins: Vec<_> = rule.begins.iter().map(|words| words.split_once(' ').unwrap_or((words, ""))).collect();
        let (before, assigns) = (&rule.before, &rule.assigns);
        let id = number(rules, &rule.entry.id);
        format!(
            "StatementRule {{ rule: RuleId({id}), begins: &{begins:?}, before: &{before:?}, assigns: &{assigns:?} }}"
        )
    });
    words(&mut code, rules);
    keywords(&mut code, rules)?;
    Ok(code)
}

fn list<T>(code: &mut String, name: &str, kind: &str, items: impl IntoIterator<Item = T>, item: impl Fn(T) -> String) {
    let items: Vec<String> = items.into_iter().map(item).collect();
    _ = writeln!(code, "pub(crate) static {name}: [{kind}; {}] = [", items.len());
    for item in items {
        _ = writeln!(code, "    {item},");
    }
    code.push_str("];\n");
}

/// The number of the rule `id`.
fn number(rules: &Rules, id: &str) -> usize {
    rules.entries().position(|entry| entry.id == id).expect("the rule is one of the entries")
}

/// `field-password` as `FIELD_PASSWORD`.
fn constant(id: &str) -> String {
    id.replace('-', "_").to_uppercase()
}

/// `redis-auth` as `RedisAuth`.
fn variant(id: &str) -> String {
    id.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect()
}

/// Constants for the rules that are parsers in Rust, and an enumeration of the commands: one without a parser does not compile.
fn ids(code: &mut String, rules: &Rules) {
    code.push_str("pub(crate) mod rule {\n    use super::RuleId;\n");
    for rule in &rules.parser {
        let (name, id) = (constant(&rule.entry.id), number(rules, &rule.entry.id));
        _ = writeln!(code, "    pub(crate) const {name}: RuleId = RuleId({id});");
    }
    code.push_str("}\n#[derive(Clone, Copy)]\npub(crate) enum CommandRule {\n");
    for rule in &rules.command {
        let (name, id) = (variant(&rule.entry.id), number(rules, &rule.entry.id));
        _ = writeln!(code, "    {name} = {id},");
    }
    code.push_str("}\n");
}

/// Formats of tokens, one for each keyword of an entry, since the keyword may stand behind the beginning of the token.
fn tokens(code: &mut String, rules: &Rules) -> Result<(), Box<dyn Error>> {
    let mut formats = Vec::new();
    for (rule, keyword) in token_keywords(rules) {
        let id = &rule.entry.id;
        if !keyword.is_ascii() {
            return Err(format!("{id}: the keyword {keyword:?} is not ASCII").into());
        }
        let steps = pattern::parse(&rule.pattern).map_err(|error| format!("{id}: {error}"))?;
        let first = pattern::position(&steps, keyword).ok_or(format!("{id}: the pattern never holds {keyword:?}"))?;
        let (before, from) = steps.split_at(first);
        let number = number(rules, id);
        let Token { digit, distinct, word_start, whole_word, .. } = rule;
        formats.push(format!(
            "TokenFormat {{ rule: RuleId({number}), before: &{before:?}, from: &{from:?}, digit: {digit}, \
             distinct: {distinct}, word_start: {word_start}, whole_word: {whole_word} }}"
        ));
    }
    list(code, "TOKENS", "TokenFormat", formats, |format| format);
    Ok(())
}

fn token_keywords(rules: &Rules) -> impl Iterator<Item = (&Token, &String)> {
    rules.token.iter().flat_map(|rule| rule.entry.keywords.iter().map(move |keyword| (rule, keyword)))
}

/// Flags, and for each program the flags that it takes, as bits. A subcommand has a bit of its own.
fn flags(code: &mut String, rules: &Rules) {
    let mut programs: BTreeMap<&str, u64> = BTreeMap::new();
    let mut subcommands = rules.flag.len();
    let mut bits = Vec::new();
    for (at, flag) in rules.flag.iter().enumerate() {
        let mut needs = if flag.programs.is_some() { 1_u64 << at } else { 0 };
        for program in flag.programs.iter().flatten() {
            *programs.entry(program).or_default() |= 1 << at;
        }
        if let Some(subcommand) = &flag.subcommand {
            *programs.entry(subcommand).or_default() |= 1 << subcommands;
            needs |= 1 << subcommands;
            subcommands += 1;
        }
        bits.push((flag, needs));
    }
    list(code, "FLAGS", "Flag", bits, |(flag, needs)| {
        let (id, spellings) = (number(rules, &flag.entry.id), &flag.entry.keywords);
        format!(
            "Flag {{ rule: RuleId({id}), spellings: &{spellings:?}, value: FlagValue::{:?}, needs: {needs} }}",
            flag.value
        )
    });
    let programs = programs.into_iter().map(|(program, bits)| (program, bits.to_string()));
    map(code, "PROGRAMS", "u64", programs);
}

fn functions(code: &mut String, rules: &Rules) {
    let mut functions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for rule in &rules.function {
        let (id, argument, method) = (number(rules, &rule.entry.id), rule.argument, rule.method);
        for name in &rule.names {
            let secret = format!("SecretArgument {{ rule: RuleId({id}), argument: {argument}, method: {method} }}");
            functions.entry(name).or_default().push(secret);
        }
    }
    let functions = functions.into_iter().map(|(name, secrets)| (name, format!("&[{}]", secrets.join(", "))));
    map(code, "FUNCTIONS", "&[SecretArgument]", functions);
}

fn words(code: &mut String, rules: &Rules) {
    let names = rules.name.iter().flat_map(|rule| {
        let secret = format!("SecretKind::{:?}", rule.secret);
        rule.words.iter().map(move |word| (word.as_str(), secret.clone()))
    });
    map(code, "NAMES", "SecretKind", names);
    code.push_str("pub(crate) mod words {\n    use super::Words;\n");
    for rule in &rules.words {
        let mut set = phf_codegen::Set::new();
        let words: BTreeSet<&str> = rule.words.iter().map(String::as_str).collect();
        words.into_iter().for_each(|word| _ = set.entry(word));
        let name = constant(&rule.entry.id);
        _ = writeln!(code, "    pub(crate) static {name}: Words = Words({});", set.build());
    }
    code.push_str("}\n");
}

/// A map from words, as a perfect hash.
fn map<'w>(code: &mut String, name: &str, kind: &str, entries: impl Iterator<Item = (&'w str, String)>) {
    let mut map = phf_codegen::Map::new();
    for (word, value) in entries {
        map.entry(word, value);
    }
    _ = writeln!(code, "pub(crate) static {name}: phf::Map<&str, {kind}> = {};", map.build());
}

/// All keywords, in lower case, with their rules.
#[derive(Default)]
struct Keywords(BTreeMap<String, Uses>);

impl Keywords {
    fn add<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>, group: &'static str) {
        for entry in entries {
            self.add_with(entry, group, |_| {});
        }
    }

    /// Adds the keywords of an entry. `note` notes the rule in each of them.
    fn add_with(&mut self, entry: &Entry, group: &'static str, note: impl Fn(&mut Uses)) {
        for keyword in &entry.keywords {
            let uses = self.0.entry(keyword.to_ascii_lowercase()).or_default();
            uses.groups.insert(group);
            note(uses);
        }
    }
}

fn keywords(code: &mut String, rules: &Rules) -> Result<(), Box<dyn Error>> {
    let mut keywords = Keywords::default();
    keywords.add(rules.token.iter().map(|rule| &rule.entry), "TOKENS");
    for (at, (_, keyword)) in token_keywords(rules).enumerate() {
        keywords.0.entry(keyword.to_ascii_lowercase()).or_default().tokens.push(at);
    }
    for rule in &rules.parser {
        let group = match rule.detector {
            Some(Detector::Addresses) => "ADDRESSES",
            Some(Detector::Keys) => "KEYS",
            Some(Detector::Tokens) => "TOKENS",
            Some(Detector::Statements) => "STATEMENTS",
            None if rule.entry.keywords.is_empty() => continue,
            None => return Err(format!("{}: no detector for the keywords", rule.entry.id).into()),
        };
        let id = format!("rule::{}", constant(&rule.entry.id));
        keywords.add_with(&rule.entry, group, |uses| uses.parsers.push(id.clone()));
    }
    keywords.add(rules.flag.iter().map(|rule| &rule.entry), "COMMANDS");
    for rule in &rules.command {
        let id = format!("CommandRule::{}", variant(&rule.entry.id));
        keywords.add_with(&rule.entry, "COMMANDS", |uses| uses.commands.push(id.clone()));
    }
    keywords.add(rules.function.iter().map(|rule| &rule.entry), "STATEMENTS");
    keywords.add(rules.statement.iter().map(|rule| &rule.entry), "STATEMENTS");
    keywords.add(rules.lists(), "NAMES");
    list(code, "KEYWORDS", "Keyword", keywords.0, |(text, uses)| {
        let Uses { groups, tokens, parsers, commands } = uses;
        let groups: Vec<_> = groups.iter().map(|group| format!("KeywordGroups::{group}.0")).collect();
        let (groups, parsers, commands) = (groups.join(" | "), parsers.join(", "), commands.join(", "));
        format!(
            "Keyword {{ text: {text:?}, wakes: KeywordGroups({groups}), tokens: &{tokens:?}, parsers: &[{parsers}], \
             commands: &[{commands}] }}"
        )
    });
    Ok(())
}

/// Whether the first pass sees every function and every word that names a secret, and every token, flag and command is looked
/// for.
fn check_keywords(rules: &Rules) -> Result<(), String> {
    let holds = |text: &str, keywords: &[String]| keywords.iter().any(|keyword| text.contains(keyword.as_str()));
    for rule in &rules.function {
        if let Some(name) = rule.names.iter().find(|name| !holds(&format!("{name}("), &rule.entry.keywords)) {
            return Err(format!("{}: {name}( holds none of the keywords", rule.entry.id));
        }
    }
    let mut named = BTreeSet::new();
    for rule in &rules.name {
        let id = &rule.entry.id;
        if let Some(word) = rule.words.iter().find(|word| !holds(word, &rule.entry.keywords)) {
            return Err(format!("{id}: {word} holds none of the keywords"));
        }
        if let Some(word) = rule.words.iter().find(|word| word.contains(|c: char| !c.is_alphanumeric())) {
            return Err(format!("{id}: names are split at signs, so {word} is never looked up"));
        }
        if let Some(word) = rule.words.iter().find(|word| !named.insert(word.as_str())) {
            return Err(format!("{id}: {word} is listed twice"));
        }
    }
    if let Some(rule) = rules.statement.iter().find(|rule| rule.begins.iter().any(|words| words.split(' ').count() > 2))
    {
        return Err(format!("{}: `begins` has more than two words", rule.entry.id));
    }
    let searched = (rules.token.iter().map(|rule| &rule.entry))
        .chain(rules.flag.iter().map(|rule| &rule.entry))
        .chain(rules.command.iter().map(|rule| &rule.entry));
    match searched.into_iter().find(|entry| entry.keywords.is_empty()) {
        Some(entry) => Err(format!("{}: `keywords` is missing", entry.id)),
        None => Ok(()),
    }
}
