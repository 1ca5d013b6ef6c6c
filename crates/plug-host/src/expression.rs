//! CEL expressions of plugins: parsed once, evaluated with the properties they name, within bounds.
//!
//! The parser and the interpreter are the crate `cel`, which bounds nothing by itself, while text comes from plugins. So the text is
//! scanned for depth before it is parsed, only functions that are known get through, and the parsed expression is rewritten so that
//! every value it works on is paid for ([`meter`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use bytes::Bytes;
use cel::parser::{Expression as Node, PrattParser};
use cel::{Context, Value};
use plug_abi::Status;
use rustc_hash::FxHashMap as HashMap;

use crate::calls::property::Found;
use crate::expression::prepare::Attribute;

mod scan;
mod prepare;
mod meter;
mod value;

/// LIMIT: bytes of one expression's text. Parsing this much takes at most 3 ms.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// LIMIT: expressions one instance may hold.
const EXPRESSIONS_MAX: usize = 1_024;
/// LIMIT: bytes of text of all of them. A parsed expression takes up to 130 times as much.
const TEXTS_BYTES_MAX: usize = 64 * 1024;
/// LIMIT: bytes of all properties that one evaluation reads.
const ATTRIBUTES_BYTES_MAX: u64 = 1024 * 1024;

/// An expression that is ready to be evaluated.
pub(crate) struct Expression {
    node: Node,
    attributes: Vec<Attribute>,
    text_bytes: usize,
}

impl Expression {
    /// Parses a text; none when it is no expression, or one that is too large, too deep, or needs a function that is not there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX || !scan::is_shallow(text) {
            return None;
        }
        let parser = PrattParser::new()
            .max_recursion_depth(scan::DEPTH_MAX)
            .error_recovery_limit(0);
        let mut node = guarded(|| parser.parse(text).ok())?;
        let attributes = prepare::prepare(&mut node)?;
        Some(Self {
            node,
            attributes,
            text_bytes: text.len(),
        })
    }

    /// Evaluates the expression with what `find` says of each property it names, and writes the result as a property is written.
    pub(crate) fn evaluate(&self, find: &dyn Fn(&[&[u8]]) -> Found) -> Result<Bytes, Status> {
        let read: Vec<(&str, Found)> = self
            .attributes
            .iter()
            .map(|attribute| (attribute.variable.as_str(), attribute.read(find)))
            .collect();
        if read.iter().map(|(_, found)| found.bytes()).fold(0, u64::saturating_add) > ATTRIBUTES_BYTES_MAX {
            return Err(Status::InternalFailure);
        }
        // A thing with parts that an expression ends in cannot be written, as in Envoy; in any other place it is an error.
        if let [(variable, Found::Parts)] = read.as_slice()
            && matches!(&self.node.expr, cel::common::ast::Expr::Ident(name) if name == variable)
        {
            return Err(Status::SerializationFailure);
        }
        guarded(|| Some(self.result(&read))).ok_or(Status::InternalFailure)?
    }

    fn result(&self, read: &[(&str, Found)]) -> Result<Bytes, Status> {
        let (mut context, meter) = meter::context().ok_or(Status::InternalFailure)?;
        for (variable, found) in read {
            if let Some(value) = value::of_found(found) {
                context.add_variable_as_val(*variable, value);
            }
        }
        let result = Self::interpret(&self.node, &context);
        // `||` and `&&` swallow errors; whoever has spent everything has no result.
        if meter.is_spent() {
            return Err(Status::InternalFailure);
        }
        result
    }

    fn interpret(node: &Node, context: &Context<'_, '_>) -> Result<Bytes, Status> {
        let result = Value::resolve_val(node, context).map_err(|_| Status::InternalFailure)?;
        let value = value::to_property(&*result).ok_or(Status::SerializationFailure)?;
        Ok(value.encode())
    }
}

/// Runs code of the crate `cel`. No panic of it is known that what we let through can cause, but plugins write what it reads, and a
/// panic in a host call would take every exchange of the worker's task with it. Nothing is half changed afterwards: what `work`
/// reads is only read, and what it makes is dropped.
fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

/// The expressions of one instance, by root context and token as in Envoy.
#[derive(Default)]
pub(crate) struct Expressions {
    known: HashMap<(u32, u32), Rc<Expression>>,
    text_bytes: usize,
    /// The next token of each root context.
    next: HashMap<u32, u32>,
}

impl Expressions {
    /// Keeps an expression and gives its token; none when there are too many.
    pub(crate) fn keep(&mut self, root: u32, expression: Expression) -> Option<u32> {
        let text_bytes = self.text_bytes.saturating_add(expression.text_bytes);
        if self.known.len() >= EXPRESSIONS_MAX || text_bytes > TEXTS_BYTES_MAX {
            return None;
        }
        let next = self.next.entry(root).or_default();
        while self.known.contains_key(&(root, *next)) {
            *next = next.wrapping_add(1);
        }
        let token = *next;
        *next = token.wrapping_add(1);
        self.text_bytes = text_bytes;
        self.known.insert((root, token), Rc::new(expression));
        Some(token)
    }

    /// The expression of a token.
    pub(crate) fn get(&self, root: u32, token: u32) -> Option<Rc<Expression>> {
        self.known.get(&(root, token)).cloned()
    }

    /// Lets go of one expression, if it is there.
    pub(crate) fn remove(&mut self, root: u32, token: u32) {
        if let Some(expression) = self.known.remove(&(root, token)) {
            self.text_bytes = self.text_bytes.saturating_sub(expression.text_bytes);
        }
    }

    /// A root context is gone, and its expressions with it.
    pub(crate) fn forget(&mut self, root: u32) {
        self.next.remove(&root);
        self.known.retain(|(of, _), _| *of != root);
        self.text_bytes = self.known.values().map(|expression| expression.text_bytes).sum();
    }
}

#[cfg(test)]
mod tests;
