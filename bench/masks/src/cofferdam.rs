//! Ours, with all classes but an operator's own words and patterns.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use log_mask::class::Class;
use log_mask::field::{Fields, Untrusted};
use log_mask::rules::{Action, Draft, QUERY_NAMES, SECRET_HEADERS, SECRET_NAMES};

use crate::scanner::Scanner;

pub(crate) struct Cofferdam {
    fields: Fields,
    out: Vec<u8>,
}

impl Cofferdam {
    pub(crate) fn new() -> Result<Self> {
        let usual = Draft::default()
            .names(SECRET_NAMES.iter().copied())
            .headers(SECRET_HEADERS.iter().copied())
            .query_names(QUERY_NAMES.iter().copied());
        let found = Class::ALL.into_iter();
        let found = found.filter(|class| !matches!(class, Class::Word | Class::Pattern));
        let draft = found.fold(usual, |draft, class| draft.class(class, Action::usual(class)));
        Ok(Self {
            fields: Fields::new(Arc::new(draft.finish()?)),
            out: Vec::new(),
        })
    }
}

impl Scanner for Cofferdam {
    fn look(&mut self, text: &str) -> Result<usize> {
        self.out.clear();
        self.fields.append(Untrusted::Text(text.as_bytes()), &mut self.out);
        black_box(&self.out);
        Ok(usize::try_from(self.fields.take_counts().total())?)
    }
}
