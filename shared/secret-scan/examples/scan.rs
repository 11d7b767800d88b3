//! Says what the scanner finds in a text: `cargo run -p secret-scan --example scan -- 'password: Kormoran' [FIELD]`. `FIELD` is the
//! field that holds the text, by default `description`; a text in `query` is a statement.
#![expect(clippy::print_stdout, reason = "the result is the output of this program")]

use serde_json::json;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().expect("a text");
    let field = arguments.next().unwrap_or_else(|| "description".to_owned());
    match secret_scan::find(&json!({ field: text })) {
        Ok(None) => println!("no credential"),
        Ok(Some(found)) => {
            let credential = found.span.as_ref().and_then(|span| text.get(span.bytes.clone()));
            println!("{found}\nrule: {}\ncredential: {}", found.rule.id, credential.unwrap_or("the whole value"));
        }
        Err(error) => println!("{error}"),
    }
}
