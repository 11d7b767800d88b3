//! Statements whose grammar says that a literal is a password or key: the `[[statement]]` entries, and those that need more
//! than the words before the literal.

use super::{
    operand::Operand,
    state::{Clause, State},
    token::{Op, Quote, Token, is_any},
};
use crate::{
    literal, names,
    rules::{RuleId, STATEMENTS, SecretKind, StatementRule, rule, words},
    value,
};

/// Maximum number of wrong, missing, superfluous or exchanged letters in a misspelt keyword.
const MISSPELT: usize = 2;

impl<'t> State<'_, 't> {
    /// The rule by which the literal `text` is a password.
    pub(super) fn set_by(&self, text: &str) -> Option<RuleId> {
        if value::is_placeholder(text) { None } else { self.sets(text) }
    }

    /// Whether a parameter would be a password here.
    pub(super) fn sets_parameter(&self) -> bool {
        let setter = self.clause == Clause::Identified || words::SETTERS.contains_any_case(self.head[0]);
        setter && self.sets("parameter").is_some()
    }

    /// The rule by which a literal that is no placeholder is a password.
    pub(super) fn sets(&self, text: &str) -> Option<RuleId> {
        let before = self.word_before(0);
        if self.clause == Clause::Identified {
            return self.is_identified(before).then_some(rule::IDENTIFIED_BY);
        }
        if let Some(statement) = STATEMENTS.iter().find(|statement| self.matches(statement, before)) {
            return Some(statement.rule);
        }
        if before.eq_ignore_ascii_case("default") {
            let name = names::classify(self.frames.top().defines)?;
            let looks =
                value::is_opaque(text) || is_any(text, &["changeme", "password", "secret", "letmein", "welcome"]);
            return (looks && literal::is_secret(name, text)).then_some(rule::COLUMN_DEFAULT);
        }
        if self.stands_beside(before, text) {
            return Some(rule::PASSWORD_CLAUSE);
        }
        self.is_misspelt(before).then_some(rule::MISSPELT_PASSWORD)
    }

    /// `IDENTIFIED BY '…'`, `IDENTIFIED WITH plugin AS '…'`
    fn is_identified(&self, before: &str) -> bool {
        // `WITH BACKUP USING 'tag'` names the copy of a wallet.
        let tag = self.word_before(1).eq_ignore_ascii_case("backup");
        let secret = is_any(before, &["by", "password", "using", "values", "replace"]) && !tag;
        (secret || before.eq_ignore_ascii_case("as")) && !self.is_external()
    }

    fn matches(&self, statement: &StatementRule, before: &str) -> bool {
        let equals = self.last[0] == Token::Op(Op::Assign);
        let begins = || statement.begins.iter().any(|(first, second)| self.begins_with(first, second));
        let follows = || is_any(before, statement.before) || equals && statement.before.contains(&"=");
        let assigned = || {
            let named = matches!(self.operand, Operand::Name(name) if is_any(name, statement.assigns));
            named || is_any(self.head[1], statement.assigns) || is_any(self.frames.top().call, statement.assigns)
        };
        begins() && (follows() || assigned())
    }

    /// Plugins that leave the password to the system: what follows names a service.
    fn is_external(&self) -> bool {
        let plugin = match (self.last[1], self.last[0]) {
            (Token::Word(plugin) | Token::Quoted(plugin, _), Token::Word(_)) => plugin.to_ascii_lowercase(),
            _ => return false,
        };
        ["pam", "ldap", "windows", "kerberos", "gssapi", "socket", "aws", "iam", "global", "external"]
            .iter()
            .any(|part| plugin.contains(part))
    }

    /// `ALTER ROLE ada PASWORD '…'`, `IDENTIFED BY '…'`: the statement failed, and its history keeps the password.
    fn is_misspelt(&self, before: &str) -> bool {
        let resembles = |word: &str, keyword: &str| {
            let near = (keyword.len() - MISSPELT..=keyword.len() + MISSPELT).contains(&word.len());
            near && (1..=MISSPELT).contains(&strsim::osa_distance(&word.to_ascii_lowercase(), keyword))
        };
        let account = self.begins(&["create", "alter"]) && is_any(self.head[1], &["user", "role", "login"]);
        let equals = self.last[0] == Token::Op(Op::Assign);
        let word = if equals { self.word_before(1) } else { before };
        account && resembles(word, "password") && names::classify(word).is_none()
            || (account || self.begins(&["grant", "set"]))
                && before.eq_ignore_ascii_case("by")
                && resembles(self.word_before(1), "identified")
    }

    /// `PASSWORD '…'`, `SECRET '…'`, `ENCRYPTION KEY '…'` with nothing between.
    fn stands_beside(&self, before: &'t str, text: &str) -> bool {
        let options = is_any(self.frames.top().call, &["options", "secret"]);
        let before = match self.last[0] {
            Token::Quoted(name, Quote::Double | Quote::Back) if options => name,
            _ => before,
        };
        let reads = words::READS.contains_any_case(self.head[0]);
        if before.is_empty() || reads && !options || before.starts_with('@') {
            return false;
        }
        let name = if before.eq_ignore_ascii_case("key") {
            names::classify(&format!("{}_key", self.word_before(1)))
        } else {
            names::classify(before)
        };
        let setter = words::SETTERS.contains_any_case(self.head[0]);
        name.is_some_and(|name| match name.secret {
            SecretKind::Credentials => false,
            SecretKind::Password => {
                setter || options || !text.contains(' ') && !names::classify(text).is_some_and(|n| n.plural)
            }
            _ if self.begins(&["attach"]) => true,
            // "unexpected token 'x1'" is an error message.
            _ => (setter || self.begins(&["copy", "unload"]) || options) && literal::is_secret(name, text),
        })
    }
}
