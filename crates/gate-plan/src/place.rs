//! Places in the text of a configuration.

/// One character of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
}

/// The characters from one place up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) start: Place,
    pub(crate) end: Place,
}

impl Place {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    pub(crate) fn right(self, columns: usize) -> Self {
        Self {
            line: self.line,
            column: self.column.saturating_add(columns),
        }
    }
}

impl Span {
    pub(crate) fn of_width(start: Place, columns: usize) -> Self {
        Self {
            start,
            end: start.right(columns),
        }
    }

    pub(crate) fn contains(&self, place: Place) -> bool {
        self.start == place || (self.start <= place && place < self.end)
    }

    /// Columns from start to end; none when the span runs over a line's end.
    pub(crate) fn width(&self) -> Option<usize> {
        (self.start.line == self.end.line).then(|| self.end.column.saturating_sub(self.start.column))
    }
}
