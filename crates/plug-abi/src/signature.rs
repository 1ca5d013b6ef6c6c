//! Types of functions, as WebAssembly writes them.

use std::fmt;

/// A type that a parameter or result of this ABI can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// 32 bits: numbers, pointers and lengths.
    I32,
    /// 64 bits: only the amounts of metrics, and times and offsets of WASI.
    I64,
    /// Not used by the ABI; here so that a wrong type can be named.
    F32,
    /// Not used by the ABI; here so that a wrong type can be named.
    F64,
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// The type of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The types of the parameters, in order.
    pub params: &'static [ValueType],
    /// The types of the results: none or one in this ABI.
    pub results: &'static [ValueType],
}

impl Signature {
    /// Whether a function with these parameters and results has this type.
    pub fn is(&self, params: &[ValueType], results: &[ValueType]) -> bool {
        self.params == params && self.results == results
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&signature_text(self.params, self.results))
    }
}

/// A type as people write it: `(i32, i64) -> (i32)`. A lone result is bracketed as well, so that results read like parameters.
pub(crate) fn signature_text(params: &[ValueType], results: &[ValueType]) -> String {
    let list = |types: &[ValueType]| types.iter().map(ValueType::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}
