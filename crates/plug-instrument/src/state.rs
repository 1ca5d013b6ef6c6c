//! Lays open what a module keeps outside its memory, so that a host can put all of it back.

use wasm_encoder::{Encode, ExportKind, Module, RawSection};
use wasmparser::{ExportSectionReader, FunctionBody, GlobalSectionReader, Operator, Parser, Payload, TypeRef, ValType};

use crate::InstrumentFault;

const EXPORTS: u8 = 7;
/// What the names begin with under which globals are exported.
const NAME: &str = "cofferdam.global.";
/// LIMIT: globals that are laid open; Go has about ten.
const GLOBALS_MAX: usize = 1_000;

/// A module whose state is its memory and these globals.
#[derive(Debug, Clone)]
pub struct Exposed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The names under which its globals are exported that change.
    pub globals: Vec<String>,
}

/// Exports every global that changes, and refuses what keeps something elsewhere: tables that change, and segments that are dropped.
/// Whoever has a copy of the memory and of these globals has all that such a module knows.
///
/// What comes out of a valid module is valid, and what comes out of an invalid one may be anything; who compiles it validates it.
///
/// # Errors
/// When the module cannot be read, keeps what cannot be put back, exports one of these names itself, or has too many globals.
pub fn expose(module: &[u8]) -> Result<Exposed, InstrumentFault> {
    let mut output = Module::new();
    let mut state = State::default();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let section = payload.as_section();
        match payload {
            Payload::ExportSection(exports) => {
                let data = state.exports(module, &exports)?;
                output.section(&RawSection {
                    id: EXPORTS,
                    data: &data,
                });
                continue;
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if !matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                        return Err(keeps("it imports something that is no function", 0));
                    }
                }
            }
            Payload::GlobalSection(globals) => state.globals(globals)?,
            Payload::CodeSectionEntry(body) => only_what_can_be_put_back(&body)?,
            _ => {}
        }
        if let Some((id, range)) = section {
            let data = module.get(range).unwrap_or_default();
            output.section(&RawSection { id, data });
        }
    }
    match state.names {
        Some(globals) => Ok(Exposed {
            bytes: output.finish(),
            globals,
        }),
        None => Err(keeps("it exports nothing", 0)),
    }
}

fn keeps(what: &'static str, offset: usize) -> InstrumentFault {
    InstrumentFault::Keeps { what, offset }
}

#[derive(Default)]
struct State {
    /// Numbers of globals that change.
    numbers: Vec<u32>,
    /// Their names, once they are exported.
    names: Option<Vec<String>>,
}

impl State {
    fn globals(&mut self, globals: GlobalSectionReader<'_>) -> Result<(), InstrumentFault> {
        for (number, global) in (0..).zip(globals) {
            let global = global?;
            if !global.ty.mutable {
                continue;
            }
            if !matches!(
                global.ty.content_type,
                ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128
            ) {
                return Err(keeps("a global that changes is no number", 0));
            }
            if self.numbers.len() >= GLOBALS_MAX {
                return Err(keeps("it has too many globals that change", 0));
            }
            self.numbers.push(number);
        }
        Ok(())
    }

    /// The section with what is new behind what was there.
    fn exports(&mut self, module: &[u8], exports: &ExportSectionReader<'_>) -> Result<Vec<u8>, InstrumentFault> {
        for export in exports.clone() {
            if export?.name.starts_with(NAME) {
                let what = "state is laid open";
                return Err(InstrumentFault::NameTaken { name: NAME, what });
            }
        }
        let more = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let mut data = Vec::new();
        exports.count().saturating_add(more).encode(&mut data);
        let entries = exports.original_position()..exports.range().end;
        data.extend_from_slice(module.get(entries).unwrap_or_default());
        let names: Vec<String> = self.numbers.iter().map(|number| format!("{NAME}{number}")).collect();
        for (name, number) in names.iter().zip(&self.numbers) {
            name.as_str().encode(&mut data);
            ExportKind::Global.encode(&mut data);
            number.encode(&mut data);
        }
        self.names = Some(names);
        Ok(data)
    }
}

fn only_what_can_be_put_back(body: &FunctionBody<'_>) -> Result<(), InstrumentFault> {
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let offset = operators.original_position();
        let what = match operators.read()? {
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. } => "it changes a table",
            Operator::ElemDrop { .. } | Operator::DataDrop { .. } => "it drops a segment",
            _ => continue,
        };
        return Err(keeps(what, offset));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn globals_that_change_are_exported_behind_what_was_there() {
        let module = module(
            r#"(module (memory (export "memory") 1) (global i32 (i32.const 1)) (global $one (mut i64) (i64.const 2))
              (global (mut f32) (f32.const 3)) (func (export "set") (global.set $one (i64.const 5))) (data (i32.const 0) "x"))"#,
        );
        let exposed = expose(&module).unwrap();
        assert_eq!(exposed.globals, ["cofferdam.global.1", "cofferdam.global.2"]);
        wasmparser::validate(&exposed.bytes).unwrap();
        let names: Vec<String> = Parser::new(0)
            .parse_all(&exposed.bytes)
            .filter_map(|payload| match payload.unwrap() {
                Payload::ExportSection(exports) => Some(exports),
                _ => None,
            })
            .flatten()
            .map(|export| export.unwrap().name.to_owned())
            .collect();
        assert_eq!(names, ["memory", "set", "cofferdam.global.1", "cofferdam.global.2"]);
    }

    #[test]
    fn what_cannot_be_put_back_is_refused() {
        for (text, why) in [
            (
                "(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))",
                "changes a table",
            ),
            (
                "(table 1 funcref) (func (drop (table.grow (ref.null func) (i32.const 1))))",
                "changes a table",
            ),
            (
                r#"(memory 1) (data $one "x") (func (data.drop $one))"#,
                "drops a segment",
            ),
            (
                "(global (mut funcref) (ref.null func))",
                "a global that changes is no number",
            ),
            (
                r#"(import "a" "b" (global (mut i32)))"#,
                "imports something that is no function",
            ),
            (
                r#"(global (export "cofferdam.global.0") (mut i32) (i32.const 1))"#,
                "exports `cofferdam.global.`",
            ),
        ] {
            let module = module(&format!(r#"(module {text} (func (export "run")))"#));
            let refused = expose(&module).unwrap_err().to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        assert!(expose(&module("(module)")).is_err());
        assert!(expose(b"nothing").is_err());
    }
}
