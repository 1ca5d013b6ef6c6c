//! What a change puts around the body of a function.

use wasm_encoder::InstructionSink;

use crate::offsets::Added;

/// What a change puts around the body of a function.
pub(crate) struct Around {
    pub(crate) why: Added,
    /// So many `i32` behind the function's own locals.
    pub(crate) locals: u32,
    /// Before the first instruction.
    pub(crate) enter: Vec<u8>,
    /// For a change that needs to know when the function is left.
    pub(crate) leave: Option<Leave>,
}

/// What comes where a function is left.
pub(crate) struct Leave {
    /// Behind the last instruction. The function's results are on the stack, before and behind it.
    pub(crate) end: Vec<u8>,
    /// Before a tail call: the called function takes this one's place.
    pub(crate) tail_call: Vec<u8>,
}

/// The bytes of some instructions.
pub(crate) fn code(write: impl FnOnce(&mut InstructionSink<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut InstructionSink::new(&mut bytes));
    bytes
}

/// A global counted up.
pub(crate) fn raise(sink: &mut InstructionSink<'_>, global: u32) {
    sink.global_get(global).i32_const(1).i32_add().global_set(global);
}

/// A global counted down.
pub(crate) fn lower(sink: &mut InstructionSink<'_>, global: u32) {
    sink.global_get(global).i32_const(1).i32_sub().global_set(global);
}
