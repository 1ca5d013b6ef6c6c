//! A function with its frame counted: up where it begins, down wherever it is left.
//!
//! ```text
//! global.get $depth  i32.const MAX  i32.ge_u  if unreachable end        one frame too many
//! global.get $depth  i32.const 1    i32.add   global.set $depth
//!   ...
//! global.get $depth  i32.const 1    i32.sub   global.set $depth
//! ```
//!
//! A function that calls nothing has no frame above its own: it only looks. Not so when it has an `unreachable` of its own. A compiler joins a
//! branch with a trap that is alone behind it (Cranelift does), so that the function's own would be found at the place of the added one;
//! with a count between the two it is not alone.

use wasm_encoder::{BlockType, InstructionSink};
use wasmparser::{FunctionBody, Operator};

use crate::InstrumentFault;
use crate::around::{Around, Leave, code, lower, raise};
use crate::offsets::Added;

/// Where frames are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frames {
    /// The global.
    pub(crate) global: u32,
    /// How many there may be.
    pub(crate) frames_max: u32,
}

impl Frames {
    /// What a function gets.
    pub(crate) fn around(self, body: &FunctionBody<'_>) -> Result<Around, InstrumentFault> {
        let is_counted = is_counted(body)?;
        let enter = code(|sink| {
            self.look(sink);
            if is_counted {
                raise(sink, self.global);
            }
        });
        let leave = is_counted.then(|| Leave {
            end: code(|sink| lower(sink, self.global)),
            tail_call: code(|sink| lower(sink, self.global)),
        });
        Ok(Around {
            why: Added::CallDepth,
            locals: 0,
            enter,
            leave,
        })
    }

    fn look(self, sink: &mut InstructionSink<'_>) {
        sink.global_get(self.global)
            .i32_const(self.frames_max.cast_signed())
            .i32_ge_u()
            .if_(BlockType::Empty)
            .unreachable()
            .end();
    }
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
