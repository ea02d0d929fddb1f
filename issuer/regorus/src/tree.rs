//! Going through what regorus parsed. No match in here has a wildcard: a kind of expression or
//! statement that regorus adds must not compile before its parts are named.

use regorus::unstable::{Expr, Literal, Query, Ref, Rule, RuleAssign, RuleHead, Span};

/// What stands inside of an expression or a rule.
pub enum Part<'a> {
    Expr(&'a Expr),
    Query(&'a Query),
}

type Parts<'a> = Vec<Part<'a>>;

fn exprs<'a>(exprs: impl IntoIterator<Item = &'a Ref<Expr>>) -> Parts<'a> {
    exprs.into_iter().map(|expr| Part::Expr(expr)).collect()
}

fn and_query<'a>(mut parts: Parts<'a>, query: &'a Query) -> Parts<'a> {
    parts.push(Part::Query(query));
    parts
}

/// The parts of an expression.
pub fn of_expr(expr: &Expr) -> Parts<'_> {
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => Vec::new(),
        Expr::Array { items, .. } | Expr::Set { items, .. } => exprs(items),
        Expr::Object { fields, .. } => {
            exprs(fields.iter().flat_map(|(_, key, value)| [key, value]))
        }
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            and_query(exprs([term]), query)
        }
        Expr::ObjectCompr { key, value, query, .. } => and_query(exprs([key, value]), query),
        Expr::Call { fcn, params, .. } => exprs(std::iter::once(fcn).chain(params)),
        Expr::UnaryExpr { expr, .. } => exprs([expr]),
        Expr::RefDot { refr, .. } => exprs([refr]),
        Expr::RefBrack { refr, index, .. } => exprs([refr, index]),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => exprs([lhs, rhs]),
        Expr::Membership { key, value, collection, .. } => {
            exprs(key.iter().chain([value, collection]))
        }
    }
}

/// What a comprehension collects; empty of any other expression.
pub fn of_term(expr: &Expr) -> Parts<'_> {
    match expr {
        Expr::ArrayCompr { term, .. } | Expr::SetCompr { term, .. } => exprs([term]),
        Expr::ObjectCompr { key, value, .. } => exprs([key, value]),
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. }
        | Expr::Array { .. }
        | Expr::Set { .. }
        | Expr::Object { .. }
        | Expr::Call { .. }
        | Expr::UnaryExpr { .. }
        | Expr::RefDot { .. }
        | Expr::RefBrack { .. }
        | Expr::BinExpr { .. }
        | Expr::BoolExpr { .. }
        | Expr::ArithExpr { .. }
        | Expr::AssignExpr { .. }
        | Expr::Membership { .. } => Vec::new(),
    }
}

/// The parts of all statements of a query, with what their `with` replaces, and by what.
pub fn of_query(query: &Query) -> Parts<'_> {
    let mut parts = Vec::new();
    for statement in &query.stmts {
        for modifier in &statement.with_mods {
            parts.extend(exprs([&modifier.refr, &modifier.r#as]));
        }
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                parts.extend(exprs(key.iter().chain([value, collection])));
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
                parts.extend(exprs([expr]));
            }
            Literal::Every { domain, query, .. } => {
                parts.extend(and_query(exprs([domain]), query));
            }
        }
    }
    parts
}

/// The names that the statements of a query declare by themselves.
pub fn declared(query: &Query) -> Vec<&Span> {
    let mut names = Vec::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => names.extend(vars),
            Literal::Every { key, value, .. } => names.extend(key.iter().chain([value])),
            Literal::SomeIn { .. } | Literal::Expr { .. } | Literal::NotExpr { .. } => {}
        }
    }
    names
}

fn assigned(assign: &Option<RuleAssign>) -> Option<&Ref<Expr>> {
    assign.as_ref().map(|assign| &assign.value)
}

/// What defines a rule's name and value: everything but its bodies' queries and its arguments.
pub fn of_head(rule: &Rule) -> Parts<'_> {
    match rule {
        Rule::Default { refr, value, .. } => exprs([refr, value]),
        Rule::Spec { head, bodies, .. } => {
            let mut parts = match head {
                RuleHead::Compr { refr, assign, .. } | RuleHead::Func { refr, assign, .. } => {
                    exprs(std::iter::once(refr).chain(assigned(assign)))
                }
                RuleHead::Set { refr, key, .. } => exprs(std::iter::once(refr).chain(key)),
            };
            parts.extend(exprs(bodies.iter().filter_map(|body| assigned(&body.assign))));
            parts
        }
    }
}

/// What of a head regorus does not put in order: all but the value of a rule without a body.
pub fn of_unordered_head(rule: &Rule) -> Parts<'_> {
    match rule {
        Rule::Default { refr, .. } => exprs([refr]),
        Rule::Spec { head, bodies, .. } => match head {
            RuleHead::Compr { refr, .. } | RuleHead::Func { refr, .. } if bodies.is_empty() => {
                exprs([refr])
            }
            RuleHead::Compr { .. } | RuleHead::Func { .. } | RuleHead::Set { .. } => of_head(rule),
        },
    }
}

/// The arguments of a function, and the queries of a rule's bodies.
pub fn of_body(rule: &Rule) -> Parts<'_> {
    match rule {
        Rule::Default { args, .. } => exprs(args),
        Rule::Spec { head, bodies, .. } => {
            let mut parts = match head {
                RuleHead::Func { args, .. } => exprs(args),
                RuleHead::Compr { .. } | RuleHead::Set { .. } => Vec::new(),
            };
            parts.extend(bodies.iter().map(|body| Part::Query(&body.query)));
            parts
        }
    }
}

/// "a.b.c" of a reference that is made of names alone: what the interpreter looks functions up by.
pub fn path_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        Expr::RefDot { refr, field, .. } => Some(format!("{}.{}", path_of(refr)?, field.0.text())),
        Expr::RefBrack { refr, index, .. } => match index.as_ref() {
            Expr::String { span, .. } => Some(format!("{}.{}", path_of(refr)?, span.text())),
            _ => None,
        },
        _ => None,
    }
}

/// The names that a reference begins with: "a.b" of a.b[x].c.
pub fn prefix_of(expr: &Expr) -> Option<String> {
    path_of(expr).or_else(|| match expr {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => prefix_of(refr),
        _ => None,
    })
}

/// Where an expression begins; the span of a reference or call is that of its last part.
pub fn begin_of(expr: &Expr) -> &Span {
    match expr {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => begin_of(refr),
        _ => expr.span(),
    }
}
