//! Rewrites a parsed expression: properties become variables, and every value that is worked on is metered.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Expression as Node;

use crate::calls::property::Found;
use crate::expression::meter;

/// LIMIT: properties one expression may name.
const ATTRIBUTES_MAX: usize = 64;
/// Bytes of a literal that need not be paid for each time.
const LITERAL_BYTES_FREE: usize = 64;
/// The accumulator of the macros; no text can name it.
const RESULT: &str = "@result";

/// Names that are types, not properties.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// Functions that expressions may call: CEL's, none of which gives more than it was given. `matches` is our own.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

const OPERATORS: &[&str] = &[
    operators::ADD,
    operators::CONDITIONAL,
    operators::DIVIDE,
    operators::EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::INDEX,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::LOGICAL_AND,
    operators::LOGICAL_NOT,
    operators::LOGICAL_OR,
    operators::MODULO,
    operators::MULTIPLY,
    operators::NEGATE,
    operators::NOT_EQUALS,
    operators::SUBSTRACT,
];

/// A property that an expression names.
pub(super) struct Attribute {
    /// Where the expression finds it.
    pub(super) variable: String,
    path: Vec<String>,
    /// Only whether it is there is asked, by `has`.
    test: bool,
}

impl Attribute {
    /// What `find` says of it.
    pub(super) fn read(&self, find: &dyn Fn(&[&[u8]]) -> Found) -> Found {
        let path: Vec<&[u8]> = self.path.iter().map(String::as_bytes).collect();
        let found = find(&path);
        if !self.test {
            return found;
        }
        match (found, path.as_slice()) {
            // Of what is not there itself nothing can be asked.
            (Found::Absent, [of @ .., _]) => match find(of) {
                Found::Absent => Found::Absent,
                _ => Found::truth(false),
            },
            _ => Found::truth(true),
        }
    }
}

/// Rewrites an expression in place and lists the properties it names; none when it holds what is not offered.
pub(super) fn prepare(node: &mut Node) -> Option<Vec<Attribute>> {
    let mut rewriter = Rewriter {
        attributes: Vec::new(),
        scope: Vec::new(),
    };
    rewriter.visit(node)?;
    Some(rewriter.attributes)
}

struct Rewriter {
    attributes: Vec<Attribute>,
    /// Variables of the macros around.
    scope: Vec<String>,
}

impl Rewriter {
    /// Rewrites something whose value is worked on.
    fn operand(&mut self, node: &mut Node) -> Option<()> {
        self.visit(node)?;
        if is_metered(&node.expr) {
            let inner = std::mem::take(node);
            node.id = inner.id;
            node.expr = call(meter::METER, vec![inner]);
        }
        Some(())
    }

    fn operands<'a>(&mut self, nodes: impl IntoIterator<Item = &'a mut Node>) -> Option<()> {
        nodes.into_iter().try_for_each(|node| self.operand(node))
    }

    fn visit(&mut self, node: &mut Node) -> Option<()> {
        if let Some((path, test)) = self.property(&node.expr) {
            node.expr = Expr::Ident(self.attribute(path, test)?);
            return Some(());
        }
        match &mut node.expr {
            Expr::Ident(_) | Expr::Literal(_) => Some(()),
            Expr::Select(select) => self.operand(&mut select.operand),
            Expr::Call(call) => self.call(call),
            Expr::List(list) if list.optional_indices.is_empty() => self.operands(&mut list.elements),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) if !entry.optional => self.operands([&mut entry.key, &mut entry.value]),
                _ => None,
            }),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            // Messages cannot be made, and the interpreter panics at what is unspecified.
            Expr::List(_) | Expr::Struct(_) | Expr::Unspecified => None,
        }
    }

    fn call(&mut self, call: &mut CallExpr) -> Option<()> {
        let name = call.func_name.as_str();
        if call.target.is_none() && OPERATORS.contains(&name) {
            return match call.args.as_mut_slice() {
                // Reading one element costs nothing for the others.
                [of, index] if name == operators::INDEX && matches!(of.expr, Expr::Ident(_) | Expr::Select(_)) => {
                    self.visit(of)?;
                    self.operand(index)
                }
                operands => self.operands(operands),
            };
        }
        if name == "matches" {
            let target = call.target.take().map(|target| *target);
            call.args.splice(0..0, target);
            call.func_name = meter::MATCHES.to_owned();
        } else if !FUNCTIONS.contains(&name) {
            return None;
        }
        self.operands(call.target.as_deref_mut())?;
        self.operands(&mut call.args)
    }

    /// The macros' loops. What the interpreter knows them by stays as it is: it then appends to one list instead of copying it in
    /// each round, and lets errors of one element yield to another's answer.
    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) -> Option<()> {
        self.operand(&mut comprehension.iter_range)?;
        self.scope.push(comprehension.iter_var.clone());
        let done = self.step(&mut comprehension.loop_step);
        self.scope.pop();
        done
    }

    /// `@result && x`, `@result || x`, `@result + [x]`, `@result + 1`, or one of the last two as `x ? … : @result`.
    fn step(&mut self, node: &mut Node) -> Option<()> {
        let Expr::Call(call) = &mut node.expr else {
            return None;
        };
        match (call.func_name.as_str(), call.args.as_mut_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [_, operand]) => self.operand(operand),
            (operators::CONDITIONAL, [condition, step, _]) => {
                self.operand(condition)?;
                self.step(step)
            }
            (operators::ADD, [_, added]) => match &mut added.expr {
                Expr::List(list) => self.operands(&mut list.elements),
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// The path of a property that this names, and whether it only asks if it is there.
    fn property(&self, expr: &Expr) -> Option<(Vec<String>, bool)> {
        let test = matches!(expr, Expr::Select(select) if select.test);
        let mut path = Vec::new();
        let mut expr = expr;
        let root = loop {
            match expr {
                Expr::Ident(name) => break name,
                Expr::Select(select) if path.is_empty() || !select.test => {
                    path.push(select.field.clone());
                    expr = &select.operand.expr;
                }
                Expr::Call(call) => {
                    let (name, of) = indexed(call)?;
                    path.push(name.to_owned());
                    expr = of;
                }
                _ => return None,
            }
        };
        // A leading dot leaves the scopes of macros.
        let outside = root.strip_prefix('.');
        if root.starts_with('@') || (outside.is_none() && self.scope.contains(root)) {
            return None;
        }
        path.push(outside.unwrap_or(root).to_owned());
        path.reverse();
        (!TYPES.contains(&path.join(".").as_str())).then_some((path, test))
    }

    /// The variable of a property.
    fn attribute(&mut self, path: Vec<String>, test: bool) -> Option<String> {
        let same = |known: &&Attribute| known.path == path && known.test == test;
        if let Some(known) = self.attributes.iter().find(same) {
            return Some(known.variable.clone());
        }
        if self.attributes.len() >= ATTRIBUTES_MAX {
            return None;
        }
        let variable = format!("@{}", self.attributes.len());
        self.attributes.push(Attribute {
            variable: variable.clone(),
            path,
            test,
        });
        Some(variable)
    }
}

/// `x["name"]`, as the name and `x`.
fn indexed(call: &CallExpr) -> Option<(&str, &Expr)> {
    match call.args.as_slice() {
        [of, index] if call.func_name == operators::INDEX => match &index.expr {
            Expr::Literal(LiteralValue::String(name)) => Some((name.inner(), &of.expr)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the value is worth counting: the accumulator is counted by what went into it.
fn is_metered(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(LiteralValue::String(text)) => text.inner().len() > LITERAL_BYTES_FREE,
        Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len() > LITERAL_BYTES_FREE,
        Expr::Literal(_) => false,
        Expr::Ident(name) => name != RESULT,
        _ => true,
    }
}

fn call(name: &str, args: Vec<Node>) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    })
}
