//! One policy: its files and data, compiled once and evaluated many times.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::utils::limits::PolicyLengthConfig;
use regorus::{Engine, Value};

use crate::{check, message, names};

const LENGTHS: PolicyLengthConfig = PolicyLengthConfig {
    max_col: NonZeroU32::new(1024).unwrap(),
    max_file_bytes: NonZeroUsize::new(1 << 20).unwrap(),
    max_lines: NonZeroUsize::new(20_000).unwrap(),
};

/// Why an evaluation has no value.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The rule, or what it depends on, has no value for this input.
    Undefined,
    /// The policy went wrong, or took another form than it may: `issuance.rego:12:5: message`.
    Error(String),
}

/// Files and data; `compile` when all have been added, then `evaluate`.
pub struct Policy {
    engine: Engine,
    with_tests: bool,
}

fn new_engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_policy_length_config(LENGTHS);
    // What a policy prints is nobody's; it must not be written anywhere.
    engine.set_gather_prints(true);
    engine
}

impl Policy {
    /// Without its tests, to decide; with them, to run them.
    pub fn new(with_tests: bool) -> Self {
        Self { engine: new_engine(), with_tests }
    }

    /// Parses one file: those of tests in any case, for what they may not define.
    pub fn add_file(&mut self, name: &str, text: &str) -> Result<(), String> {
        let is_test = names::is_test_file(name);
        let mut aside = new_engine();
        let engine = if is_test && !self.with_tests { &mut aside } else { &mut self.engine };
        let added = engine.add_policy(name.to_owned(), text.to_owned());
        added.map_err(|error| in_file(name, &error))?;
        match engine.get_modules().last() {
            Some(module) if is_test => names::check_test_file(module),
            _ => Ok(()),
        }
    }

    /// The document `data`, a JSON object.
    pub fn add_data(&mut self, json: &str) -> Result<(), String> {
        let added = self.engine.add_data_json(json);
        added.map_err(|error| format!("data.json: {}", message::flatten(&error)))
    }

    /// Checks all that can be checked without an input, and returns the names of the test rules.
    pub fn compile(&mut self) -> Result<Vec<String>, String> {
        let modules = self.engine.get_modules().clone();
        let tests = check::modules(&modules, &self.engine.get_data())?;
        // Any query has the engine analyse all files before it looks at the query.
        let analysed = self.engine.eval_query("true".to_owned(), false);
        analysed.map_err(|error| message::flatten(&error))?;
        Ok(tests)
    }

    /// The value of `rule` ("data.lodekey.issuance.decision") for `input` as JSON; an empty `input`
    /// leaves it undefined. A copy of the compiled engine does it: regorus does not put its state
    /// back in order after an error, and no evaluation may see anything of another. It takes the
    /// time that it takes: regorus goes by the wall clock, by which a busy machine would deny, and so
    /// whoever asks bounds the time of the process on the processor (issuer/policy_worker.cc).
    pub fn evaluate(&self, rule: &str, input: &str) -> Result<String, Failure> {
        let mut engine = self.engine.clone();
        let value = match run(&mut engine, rule, input) {
            Err(error) => return Err(Failure::Error(message::flatten(&error))),
            Ok(Value::Undefined) => return Err(Failure::Undefined),
            Ok(value) => value,
        };
        serde_json::to_string(&value).map_err(|error| Failure::Error(error.to_string()))
    }
}

fn run(engine: &mut Engine, rule: &str, input: &str) -> anyhow::Result<Value> {
    if !input.is_empty() {
        engine.set_input_json(input)?;
    }
    engine.eval_rule(rule.to_owned())
}

/// The parser's errors have their place; what is wrong with a file as a whole (its length) does not.
fn in_file(name: &str, error: &anyhow::Error) -> String {
    let text = message::flatten(error);
    if text.starts_with(name) { text } else { format!("{name}: {text}") }
}

