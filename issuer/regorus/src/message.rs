//! Errors in the form `issuance.rego:12:5: message`.

use regorus::unstable::Span;

/// The longest text of an error, in bytes.
const MAX_MESSAGE: usize = 1024;

/// An error at a place of the policy, in this crate's form.
pub fn at(span: &Span, text: &str) -> String {
    format!("{}:{}:{}: {text}", span.source.get_path(), span.line, span.col)
}

/// One line of what regorus says: of its five lines with the source and a caret (`Source::message`)
/// the place and the message are kept.
pub fn flatten(error: &anyhow::Error) -> String {
    let text = error.to_string();
    let flat = match located(&text) {
        Some((place, message)) => format!("{place}: {message}"),
        None => text.lines().next().unwrap_or_default().to_owned(),
    };
    let flat: String = flat.chars().filter(|c| !c.is_control()).collect();
    truncated(flat)
}

/// "\n--> FILE:LINE:COLUMN\n  |\n12 | source\n  | ^\nerror: message", by the position of its lines:
/// what the source line says is the policy's.
fn located(text: &str) -> Option<(&str, &str)> {
    let mut lines = text.split('\n');
    let place = lines.find_map(|line| line.strip_prefix("--> "))?;
    let message = lines.nth(3)?;
    let message = message.strip_prefix("error: ").unwrap_or(message);
    Some((place, message.trim_end_matches(':').trim()))
}

fn truncated(mut text: String) -> String {
    let mut end = text.len().min(MAX_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
