//! The results of each function type, as the type of a block that gives them.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Encode};
use wasmparser::{CompositeInnerType, FuncType, TypeSectionReader};

use crate::InstrumentFault;

/// First byte of a function type (WebAssembly Core Specification 5.3.6).
const FUNCTION: u8 = 0x60;

/// What a block must have for a type to give the results of each type of a module.
#[derive(Default)]
pub(crate) struct Results {
    blocks: Vec<Option<BlockType>>,
    /// Types that the module needs for that beside its own, as they are encoded.
    pub(crate) added: Vec<u8>,
    pub(crate) added_count: u32,
}

impl Results {
    /// Reads the types of a module.
    pub(crate) fn read(types: TypeSectionReader<'_>) -> Result<Self, InstrumentFault> {
        let mut functions = Vec::new();
        for group in types {
            let types = group?.into_types();
            functions.extend(types.map(|found| match found.composite_type.inner {
                CompositeInnerType::Func(function) => Some(function),
                _ => None,
            }));
        }
        let mut results = Self::default();
        let first_added = u32::try_from(functions.len()).unwrap_or(u32::MAX);
        for function in &functions {
            let block = match function {
                Some(function) => Some(results.block(function, first_added)?),
                None => None,
            };
            results.blocks.push(block);
        }
        Ok(results)
    }

    fn block(&mut self, function: &FuncType, first_added: u32) -> Result<BlockType, InstrumentFault> {
        let unknown = |_| InstrumentFault::Invalid {
            what: "a result has a type that is not known here",
            offset: 0,
        };
        let result = |kind: &wasmparser::ValType| RoundtripReencoder.val_type(*kind).map_err(unknown);
        match function.results() {
            [] => Ok(BlockType::Empty),
            [one] => Ok(BlockType::Result(result(one)?)),
            several => {
                // A block with several results names a type without parameters.
                self.added.push(FUNCTION);
                0_u32.encode(&mut self.added);
                several.len().encode(&mut self.added);
                for kind in several {
                    result(kind)?.encode(&mut self.added);
                }
                let index = first_added.saturating_add(self.added_count);
                self.added_count = self.added_count.saturating_add(1);
                Ok(BlockType::FunctionType(index))
            }
        }
    }

    /// The type of a block that gives the results of a type, if it is one of a function.
    pub(crate) fn of(&self, type_index: u32) -> Option<BlockType> {
        *self.blocks.get(usize::try_from(type_index).ok()?)?
    }
}
