//! The body of one function with what changes put around it.
//!
//! ```text
//! what each change has where the function begins
//! block (result ...)                                                    what was the function's own label is this block's
//!   ...                                                                 the body as it was, `return` being `br` to here
//! end
//! what each change has where it is left, in the other order
//! ```
//!
//! Without a change that needs to know when the function is left there is no block.

use wasm_encoder::{BlockType, Encode, ValType};
use wasmparser::{FunctionBody, Operator};

use crate::InstrumentFault;
use crate::around::{Around, Leave, code};
use crate::offsets::Added;
use crate::output::Output;

/// What comes where a function is left, innermost first, and what it is for.
type Leaves<'a> = [(Added, &'a Leave)];

/// Writes a body with what is around it, outermost first. Locals of no more than one of them are new.
pub(crate) fn write(
    output: &mut Output<'_>,
    body: &FunctionBody<'_>,
    arounds: &[Around],
    results: BlockType,
) -> Result<(), InstrumentFault> {
    let first = body.get_operators_reader()?.original_position();
    locals(output, body, arounds)?;
    for around in arounds {
        output.add(&around.enter, first, around.why)?;
    }
    let leaves = arounds.iter().rev();
    let leaves: Vec<_> = leaves.filter_map(|one| Some((one.why, one.leave.as_ref()?))).collect();
    let Some((outermost, _)) = leaves.last() else {
        return output.copy(first..body.range().end);
    };
    let block = code(|sink| {
        sink.block(results);
    });
    output.add(&block, first, *outermost)?;
    inside(output, body, &leaves)?;
    let last = body.range().end.saturating_sub(1);
    for (why, leave) in &leaves {
        output.add(&leave.end, last, *why)?;
    }
    let end = code(|sink| {
        sink.end();
    });
    output.add(&end, last, *outermost)
}

/// The locals, and new ones as one more group behind them.
fn locals(output: &mut Output<'_>, body: &FunctionBody<'_>, arounds: &[Around]) -> Result<(), InstrumentFault> {
    let range = body.range().start..body.get_operators_reader()?.original_position();
    let Some(around) = arounds.iter().find(|around| around.locals > 0) else {
        return output.copy(range);
    };
    let groups = body.get_locals_reader()?;
    let (mut count, mut group) = (Vec::new(), Vec::new());
    groups.get_count().saturating_add(1).encode(&mut count);
    around.locals.encode(&mut group);
    ValType::I32.encode(&mut group);
    output.add(&count, range.start, Added::Frame)?;
    output.copy(groups.original_position()..range.end)?;
    output.add(&group, range.end, around.why)
}

/// The body in its block. Branches out of the function mean the block now, which has the number that the function had.
fn inside(output: &mut Output<'_>, body: &FunctionBody<'_>, leaves: &Leaves<'_>) -> Result<(), InstrumentFault> {
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
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. } => {
                output.copy(copied..at)?;
                for (why, leave) in leaves {
                    output.add(&leave.tail_call, at, *why)?;
                }
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
