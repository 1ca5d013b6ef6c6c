//! The body of one function, with its frame counted: up where it begins, down wherever it is left.
//!
//! ```text
//! global.get $depth  i32.const MAX  i32.ge_u  if unreachable end        one frame too many
//! global.get $depth  i32.const 1    i32.add   global.set $depth
//! block (result ...)                                                    what was the function's own label is this block's
//!   ...                                                                 the body as it was, `return` being `br` to here
//! end
//! global.get $depth  i32.const 1    i32.sub   global.set $depth
//! ```
//!
//! A function that calls nothing has no frame above its own: it only looks. Not so when it has an `unreachable` of its own. A compiler joins a
//! branch with a trap that is alone behind it (Cranelift does), so that the function's own would be found at the place of the added one;
//! with a count between the two it is not alone.

use wasm_encoder::{BlockType, InstructionSink};
use wasmparser::{FunctionBody, Operator};

use crate::InstrumentFault;
use crate::offsets::Added;
use crate::output::Output;

/// Where frames are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counter {
    /// The global.
    pub(crate) global: u32,
    /// How many there may be.
    pub(crate) frames_max: u32,
}

impl Counter {
    fn look(self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.global)
            .i32_const(self.frames_max.cast_signed())
            .i32_ge_u()
            .if_(BlockType::Empty)
            .unreachable()
            .end();
    }

    fn raise(self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.global)
            .i32_const(1)
            .i32_add()
            .global_set(self.global);
    }

    fn lower(self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.global)
            .i32_const(1)
            .i32_sub()
            .global_set(self.global);
    }
}

/// The bytes of some instructions.
fn code(write: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut InstructionSink::new(&mut bytes));
    bytes
}

/// Writes a body that counts its frame.
pub(crate) fn write(
    output: &mut Output<'_>,
    body: &FunctionBody<'_>,
    counter: Counter,
    results: BlockType,
) -> Result<(), InstrumentFault> {
    let range = body.range();
    let first = body.get_operators_reader()?.original_position();
    output.copy(range.start..first)?;
    if !is_counted(body)? {
        output.add(&code(|sink| counter.look(sink)), first, Added::CallDepth)?;
        return output.copy(first..range.end);
    }
    let enter = code(|sink| {
        counter.look(sink);
        counter.raise(sink);
        sink.block(results);
    });
    output.add(&enter, first, Added::CallDepth)?;
    inside(output, body, counter)?;
    let leave = code(|sink| {
        counter.lower(sink);
        sink.end();
    });
    output.add(&leave, range.end.saturating_sub(1), Added::CallDepth)
}

/// Whether a frame can come to stand above the function's own, or its traps must be kept apart from the added one. Calls of imports are
/// calls: the host may enter the guest's allocator.
fn is_counted(body: &FunctionBody<'_>) -> Result<bool, InstrumentFault> {
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        if matches!(
            operators.read()?,
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } | Operator::Unreachable
        ) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The body in its block. Branches out of the function mean the block now, which has the number that the function had.
fn inside(output: &mut Output<'_>, body: &FunctionBody<'_>, counter: Counter) -> Result<(), InstrumentFault> {
    let mut operators = body.get_operators_reader()?;
    let mut copied = operators.original_position();
    let mut blocks: u32 = 0;
    while !operators.eof() {
        let (operator, at) = operators.read_with_offset()?;
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => blocks = blocks.saturating_add(1),
            Operator::End => blocks = blocks.saturating_sub(1),
            Operator::Return => {
                output.copy(copied..at)?;
                let leave = code(|sink| {
                    sink.br(blocks);
                });
                output.replace(&leave, at)?;
                copied = operators.original_position();
            }
            // The frame of the called function takes this one's place.
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => {
                output.copy(copied..at)?;
                output.add(&code(|sink| counter.lower(sink)), at, Added::CallDepth)?;
                copied = at;
            }
            Operator::TryTable { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Rethrow { .. }
            | Operator::Delegate { .. } => return Err(InstrumentFault::Exceptions(at)),
            _ => {}
        }
    }
    output.copy(copied..body.range().end)
}
