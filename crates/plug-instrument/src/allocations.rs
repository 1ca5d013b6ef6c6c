//! A function of the guest's allocator that tells the host what it did.
//!
//! ```text
//! local.get 0  local.set $saved ...                                     the body may write over its parameters
//! global.get $inside  i32.const 1  i32.add  global.set $inside
//!   ...
//! local.set $result
//! global.get $inside  i32.const 1  i32.sub  global.set $inside
//! global.get $inside  i32.eqz
//! if                                                                    not called by another function of the allocator
//!   i32.const 0  table.get $hooks  ref.is_null  i32.eqz
//!   if                                                                  the host listens
//!     i32.const NUMBER  local.get $saved ...  local.get $result  i32.const 0  call_indirect $hooks
//!   end
//! end
//! local.get $result
//! ```
//!
//! Before a tail call the function is over, as everywhere: it counts down and tells nothing, for what the called one gives is not known yet.
//! That one tells it, if it is a function of the allocator, too.

use wasm_encoder::{BlockType, InstructionSink};

use crate::Allocator;
use crate::allocator::ARGUMENTS;
use crate::around::{Around, Leave, code, lower, raise};
use crate::offsets::Added;

/// By what allocations are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocations {
    /// The global that says how deep in its allocator the guest is.
    pub(crate) global: u32,
    /// The table with the function of the host.
    pub(crate) table: u32,
    /// The type of that function.
    pub(crate) hook: u32,
}

impl Allocations {
    /// What a function of the allocator gets; `first` is the number of its first new local.
    pub(crate) fn around(self, allocator: Allocator, first: u32) -> Around {
        let shape = allocator.shape();
        let saved: Vec<(u32, u32)> = shape.told.iter().copied().zip(first..).collect();
        let locals = shape.locals();
        let last = first.saturating_add(locals).saturating_sub(1);
        let result = shape.has_result.then_some(last);
        let enter = code(|sink| {
            for (parameter, local) in &saved {
                sink.local_get(*parameter).local_set(*local);
            }
            raise(sink, self.global);
        });
        let end = code(|sink| {
            if let Some(local) = result {
                sink.local_set(local);
            }
            lower(sink, self.global);
            sink.global_get(self.global).i32_eqz().if_(BlockType::Empty);
            sink.i32_const(0).table_get(self.table).ref_is_null().i32_eqz();
            sink.if_(BlockType::Empty);
            self.tell(sink, allocator, (&saved, result));
            sink.end().end();
            if let Some(local) = result {
                sink.local_get(local);
            }
        });
        let tail_call = code(|sink| lower(sink, self.global));
        Around {
            why: Added::Allocations,
            locals,
            enter,
            leave: Some(Leave { end, tail_call }),
        }
    }

    fn tell(self, sink: &mut InstructionSink<'_>, allocator: Allocator, (saved, result): (&[(u32, u32)], Option<u32>)) {
        sink.i32_const(allocator.number().cast_signed());
        let arguments = saved.iter().map(|(_, local)| Some(*local));
        let arguments = arguments.chain(std::iter::repeat(None)).take(ARGUMENTS);
        for value in arguments.chain([result]) {
            match value {
                Some(local) => sink.local_get(local),
                None => sink.i32_const(0),
            };
        }
        sink.i32_const(0).call_indirect(self.table, self.hook);
    }
}
