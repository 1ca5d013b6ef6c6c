//! A message of the text form, from which fields are taken by name: what nobody takes is said.

use super::text::{Field, Place, Value, Wrong};

/// What is wrong with a suite, and what of it is not carried over.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) wrong: Vec<Wrong>,
    pub(crate) notes: Vec<Wrong>,
}

impl Said {
    pub(crate) fn wrong(&mut self, place: Place, message: impl Into<String>) {
        self.wrong.push(Wrong {
            place,
            message: message.into(),
        });
    }

    pub(crate) fn note(&mut self, place: Place, message: impl Into<String>) {
        self.notes.push(Wrong {
            place,
            message: message.into(),
        });
    }
}

/// A message, and what was taken of it.
pub(crate) struct Message {
    /// Its type in the schema.
    kind: &'static str,
    pub(crate) place: Place,
    fields: Vec<Field>,
    known: Vec<&'static str>,
}

impl Message {
    pub(crate) fn new(kind: &'static str, place: Place, fields: Vec<Field>) -> Self {
        Self {
            kind,
            place,
            fields,
            known: Vec::new(),
        }
    }

    /// All fields of this name, in order.
    fn take(&mut self, name: &'static str) -> Vec<Field> {
        self.known.push(name);
        let (taken, left) = std::mem::take(&mut self.fields)
            .into_iter()
            .partition(|field| field.name == name);
        self.fields = left;
        taken
    }

    /// The field of this name, which is there once.
    pub(crate) fn one(&mut self, name: &'static str, said: &mut Said) -> Option<Field> {
        let mut taken = self.take(name).into_iter();
        let first = taken.next();
        if let Some(second) = taken.next() {
            said.wrong(second.place, format!("`{name}` is given twice in `{}`", self.kind));
        }
        first
    }

    pub(crate) fn bytes(&mut self, name: &'static str, said: &mut Said) -> Option<(Place, Vec<u8>)> {
        let field = self.one(name, said)?;
        match field.value {
            Value::Bytes(bytes) => Some((field.place, bytes)),
            _ => {
                said.wrong(field.place, format!("`{name}` is not a text in quotes"));
                None
            }
        }
    }

    pub(crate) fn text(&mut self, name: &'static str, said: &mut Said) -> Option<(Place, String)> {
        let (place, bytes) = self.bytes(name, said)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some((place, text)),
            Err(_) => {
                said.wrong(place, format!("`{name}` is no UTF-8"));
                None
            }
        }
    }

    pub(crate) fn word(&mut self, name: &'static str, said: &mut Said) -> Option<(Place, String)> {
        let field = self.one(name, said)?;
        match field.value {
            Value::Word(word) => Some((field.place, word)),
            _ => {
                said.wrong(field.place, format!("`{name}` is not a number or a name"));
                None
            }
        }
    }

    /// A whole number that is not negative, in digits of 10, 16 (`0x`) or 8 (`0`).
    pub(crate) fn number(&mut self, name: &'static str, said: &mut Said) -> Option<(Place, u64)> {
        let (place, word) = self.word(name, said)?;
        let number = match (word.strip_prefix("0x"), word.strip_prefix('0')) {
            (Some(digits), _) => u64::from_str_radix(digits, 16),
            (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8),
            _ => word.parse(),
        };
        match number {
            Ok(number) => Some((place, number)),
            Err(_) => {
                said.wrong(
                    place,
                    format!("`{name}` cannot be `{word}`: it is a whole number from 0"),
                );
                None
            }
        }
    }

    pub(crate) fn truth(&mut self, name: &'static str, said: &mut Said) -> bool {
        match self.word(name, said) {
            None => false,
            Some((_, word)) if matches!(word.as_str(), "true" | "True" | "t" | "1") => true,
            Some((_, word)) if matches!(word.as_str(), "false" | "False" | "f" | "0") => false,
            Some((place, word)) => {
                said.wrong(place, format!("`{name}` cannot be `{word}`: it is `true` or `false`"));
                false
            }
        }
    }

    pub(crate) fn messages(&mut self, (name, kind): (&'static str, &'static str), said: &mut Said) -> Vec<Self> {
        let mut all = Vec::new();
        for field in self.take(name) {
            match field.value {
                Value::Message(fields) => all.push(Self::new(kind, field.place, fields)),
                _ => said.wrong(
                    field.place,
                    format!("`{name}` is not a message: write `{name} {{ … }}`"),
                ),
            }
        }
        all
    }

    pub(crate) fn message(&mut self, names: (&'static str, &'static str), said: &mut Said) -> Option<Self> {
        let mut all = self.messages(names, said).into_iter();
        let first = all.next();
        if let Some(second) = all.next() {
            said.wrong(second.place, format!("`{}` is given twice in `{}`", names.0, self.kind));
        }
        first
    }

    /// Says what nobody has taken.
    pub(crate) fn finish(self, said: &mut Said) {
        for field in &self.fields {
            let message = format!(
                "`{}` has no field `{}`; it has `{}`",
                self.kind,
                field.name,
                self.known.join("`, `")
            );
            said.wrong(field.place, message);
        }
    }
}
