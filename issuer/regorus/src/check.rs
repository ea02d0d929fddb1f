//! What is refused when a policy is loaded, though regorus would find it only as it evaluates: calls
//! of functions that do not exist, functions that depend on anything but the input, names without a
//! value, comprehensions in places where it has no order for them, and data in the place of a rule.

use regorus::unstable::{must_cache, Expr, Module, Query, Ref, BUILTINS};
use regorus::Value;

use crate::message;
use crate::names::{alias_of, package_of, Names};
use crate::tree::{self, Part};

/// OPA's functions that depend on something else than their arguments. regorus has one of them in any
/// build, and a list of its own (`must_cache`).
const IMPURE: [&str; 8] = [
    "http.send",
    "net.lookup_ip_addr",
    "opa.runtime",
    "rand.intn",
    "rego.metadata.chain",
    "rego.metadata.rule",
    "time.now_ns",
    "uuid.rfc4122",
];

type Checked = Result<(), String>;

/// Checks all files of a policy and its data, and returns the names of its test rules.
pub fn modules(modules: &[Ref<Module>], data: &Value) -> Result<Vec<String>, String> {
    let mut names = Names::default();
    for module in modules {
        names.gather(module)?;
    }
    names.check_data(data)?;
    for module in modules {
        names.check_imports(module)?;
        let file = File { names: &names, module, package: package_of(module)? };
        for rule in &module.policy {
            file.parts(tree::of_head(rule))?;
            file.parts(tree::of_body(rule))?;
            no_comprehension(tree::of_unordered_head(rule), "in the head of a rule")?;
            names.check_head(module, rule)?;
        }
    }
    Ok(names.tests.into_iter().collect())
}

/// regorus puts the statements of a query in order before it evaluates them, and leaves out those of
/// comprehensions in some places.
fn no_comprehension(parts: Vec<Part>, place: &str) -> Checked {
    for part in parts {
        let Part::Expr(expr) = part else { continue };
        if !tree::of_term(expr).is_empty() {
            let text = format!("no comprehension {place}: give it a name in a body, and use that here");
            return Err(message::at(tree::begin_of(expr), &text));
        }
        no_comprehension(tree::of_expr(expr), place)?;
    }
    Ok(())
}

struct File<'a> {
    names: &'a Names,
    module: &'a Module,
    package: String,
}

impl File<'_> {
    fn parts(&self, parts: Vec<Part>) -> Checked {
        parts.into_iter().try_for_each(|part| match part {
            Part::Expr(expr) => self.expr(expr),
            Part::Query(query) => self.query(query),
        })
    }

    fn expr(&self, expr: &Expr) -> Checked {
        self.pure(expr)?;
        no_comprehension(tree::of_term(expr), "in what another one collects")?;
        self.parts(tree::of_expr(expr))?;
        match expr {
            Expr::Call { fcn, .. } => self.call(fcn),
            _ => Ok(()),
        }
    }

    fn query(&self, query: &Query) -> Checked {
        self.parts(tree::of_query(query))?;
        let mut modifiers = query.stmts.iter().flat_map(|statement| &statement.with_mods);
        modifiers.try_for_each(|modifier| self.replaced(&modifier.refr))
    }

    /// Whatever names an impure function is refused, called or not: with count as rand.intn.
    fn pure(&self, expr: &Expr) -> Checked {
        match tree::path_of(expr) {
            Some(path) if IMPURE.contains(&path.as_str()) || must_cache(&path).is_some() => {
                let text = "is not for policies: they may depend on nothing but their input";
                Err(message::at(tree::begin_of(expr), &format!("{path} {text}")))
            }
            _ => Ok(()),
        }
    }

    fn call(&self, function: &Expr) -> Checked {
        let text = match tree::path_of(function) {
            Some(path) if self.is_function(&path) => return Ok(()),
            Some(path) => format!("there is no function {path}{}", self.full_name(&path)),
            None => "what is called here is not the name of a function".to_owned(),
        };
        Err(message::at(tree::begin_of(function), &text))
    }

    /// What to write for a function of an imported package, which regorus looks up by its full name.
    fn full_name(&self, path: &str) -> String {
        let imported = |import| Some((alias_of(import)?, tree::path_of(&import.refr)?));
        for (alias, target) in self.module.imports.iter().filter_map(imported) {
            if let Some(rest) = path.strip_prefix(&alias) {
                let name = format!("{target}{rest}");
                if self.is_function(&name) {
                    return format!("; write {name}");
                }
            }
        }
        String::new()
    }

    /// What `with` replaces: a part of the input or the data, or a function.
    fn replaced(&self, expr: &Expr) -> Checked {
        let path = tree::path_of(expr).unwrap_or_default();
        let document = path.split('.').next().unwrap_or_default();
        if document == "input" || document == "data" || self.is_function(&path) {
            return Ok(());
        }
        let text = "with replaces input, data or a function, and this is none";
        Err(message::at(tree::begin_of(expr), text))
    }

    /// As the interpreter looks it up: a function of the package, or a full name, or a built-in one.
    fn is_function(&self, path: &str) -> bool {
        let defined = match path.starts_with("data.") {
            true => self.names.functions.contains(path),
            false => self.names.functions.contains(&format!("{}.{path}", self.package)),
        };
        defined || path == "print" || BUILTINS.contains_key(path)
    }
}
