//! Which names a policy defines, and which it uses.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Import, Module, Query, Rule, RuleHead, Span};
use regorus::Value;

use crate::message;
use crate::tree::{self, Part};

const TEST_FILE: &str = "_test.rego";
const TEST_RULE: &str = "test_";
const TEST_PACKAGE: &str = "_test";

/// The packages that the issuer asks.
const DECIDING: [&str; 3] =
    ["data.lodekey.admission", "data.lodekey.issuance", "data.lodekey.standing"];

/// "data.lodekey.issuance"
pub fn package_of(module: &Module) -> Result<String, String> {
    let name = tree::path_of(&module.package.refr);
    name.map(|name| format!("data.{name}"))
        .ok_or_else(|| message::at(&module.package.span, "the package has no plain name"))
}

/// Whether a file of this name is left out when the policy decides.
pub fn is_test_file(name: &str) -> bool {
    name.ends_with(TEST_FILE)
}

/// A rule of a file of tests is not there when the policy decides: in a package that is asked it
/// would be missed without a word, one that denies, too.
pub fn check_test_file(module: &Module) -> Result<(), String> {
    let package = package_of(module)?;
    if package.ends_with(TEST_PACKAGE) {
        return Ok(());
    }
    for rule in &module.policy {
        let (refr, _) = named(rule);
        let Some(name) = tree::prefix_of(refr) else { continue };
        let path = format!("{package}.{name}.");
        if let Some(asked) = DECIDING.iter().find(|asked| path.starts_with(&format!("{asked}."))) {
            let text = format!(
                "a rule of {asked} in a file of tests decides nothing: put it into another file, \
                 or into package {}{TEST_PACKAGE}",
                asked.trim_start_matches("data.")
            );
            return Err(message::at(tree::begin_of(refr), &text));
        }
    }
    Ok(())
}

/// What a rule defines, and whether that is a function.
fn named(rule: &Rule) -> (&Expr, bool) {
    match rule {
        Rule::Spec { head: RuleHead::Func { refr, .. }, .. } => (refr, true),
        Rule::Spec { head: RuleHead::Compr { refr, .. }, .. }
        | Rule::Spec { head: RuleHead::Set { refr, .. }, .. } => (refr, false),
        Rule::Default { refr, args, .. } => (refr, !args.is_empty()),
    }
}

/// The name by which a file uses what it imports.
pub fn alias_of(import: &Import) -> Option<String> {
    match &import.r#as {
        Some(span) => Some(span.text().to_owned()),
        None => tree::path_of(&import.refr)?.rsplit('.').next().map(str::to_owned),
    }
}

/// What the rules of a policy define, by full names.
#[derive(Default)]
pub struct Names {
    pub functions: BTreeSet<String>,
    pub tests: BTreeSet<String>,
    rules: BTreeMap<String, Span>,
    // How many files each package has.
    packages: BTreeMap<String, usize>,
    // The first name behind the package: what an expression of that package may begin with.
    roots: BTreeSet<String>,
}

impl Names {
    /// Takes in the rules of one file.
    pub fn gather(&mut self, module: &Module) -> Result<(), String> {
        let package = package_of(module)?;
        *self.packages.entry(package.clone()).or_default() += 1;
        let is_test = is_test_file(module.package.span.source.get_path());
        for rule in &module.policy {
            let (refr, is_function) = named(rule);
            let Some(name) = tree::prefix_of(refr) else { continue };
            let path = format!("{package}.{name}");
            if is_test && !is_function && name.starts_with(TEST_RULE) {
                self.tests.insert(path.clone());
            }
            if is_function {
                self.functions.insert(path.clone());
            }
            self.roots.insert(format!("{package}.{}", name.split('.').next().unwrap_or_default()));
            self.rules.entry(path).or_insert_with(|| tree::begin_of(refr).clone());
        }
        Ok(())
    }

    /// Of a package that is imported regorus evaluates one file, and loses the rules of the others:
    /// one that denies, too.
    pub fn check_imports(&self, module: &Module) -> Result<(), String> {
        for import in &module.imports {
            let Some(path) = tree::path_of(&import.refr) else { continue };
            if self.packages.get(&path).is_some_and(|files| *files > 1) {
                let text = format!("{path} has several files: do not import it, write {path}.NAME");
                return Err(message::at(tree::begin_of(&import.refr), &text));
            }
        }
        Ok(())
    }

    /// A value of data.json at the place of a rule would answer in its stead.
    pub fn check_data(&self, data: &Value) -> Result<(), String> {
        for (path, span) in &self.rules {
            let place = path.split('.').skip(1).fold(data, |value, name| &value[name]);
            if *place != Value::Undefined {
                let text = format!("{path} is a rule, and data.json has it, too");
                return Err(message::at(span, &text));
            }
        }
        Ok(())
    }

    /// Finds a name in the head of a rule that nothing gives a value. regorus looks for such names in
    /// bodies alone, and comes upon others as it evaluates. Any name that occurs in a body is taken
    /// for bound: what is found is wrong, but not all that is wrong is found.
    pub fn check_head(&self, module: &Module, rule: &Rule) -> Result<(), String> {
        let mut head = Uses::default();
        head.parts(tree::of_head(rule));
        let mut body = Uses::default();
        body.parts(tree::of_body(rule));
        let mut bound = body.every_name();
        bound.extend(head.in_queries);
        bound.extend(module.imports.iter().filter_map(alias_of));
        let package = package_of(module)?;
        for (name, span) in head.plain {
            let is_known = name == "input"
                || name == "data"
                || bound.contains(&name)
                || self.roots.contains(&format!("{package}.{name}"));
            if !is_known {
                return Err(message::at(&span, &format!("nothing gives {name} a value")));
            }
        }
        Ok(())
    }
}

/// The variables in some part of a rule.
#[derive(Default)]
struct Uses {
    plain: BTreeMap<String, Span>,
    in_queries: BTreeSet<String>,
}

impl Uses {
    fn parts(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Expr(expr) => self.expr(expr),
                Part::Query(query) => self.query(query),
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Var { span, .. } => {
                self.plain.insert(span.text().to_owned(), span.clone());
            }
            // An index gives its variable a value: input.items[i].
            Expr::RefBrack { refr, index, .. } if matches!(index.as_ref(), Expr::Var { .. }) => {
                self.in_queries.insert(index.span().text().to_owned());
                self.expr(refr);
            }
            // A function's name is no variable.
            Expr::Call { params, .. } => params.iter().for_each(|param| self.expr(param)),
            _ => self.parts(tree::of_expr(expr)),
        }
    }

    fn query(&mut self, query: &Query) {
        let mut inner = Uses::default();
        inner.parts(tree::of_query(query));
        self.in_queries.extend(inner.every_name());
        self.in_queries.extend(tree::declared(query).iter().map(|span| span.text().to_owned()));
    }

    fn every_name(self) -> BTreeSet<String> {
        let mut names = self.in_queries;
        names.extend(self.plain.into_keys());
        names
    }
}
