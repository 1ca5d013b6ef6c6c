//! What the gateway calls. Memory that a batch needs is taken when the guest is configured: what is taken later is gone after the batch, at a price.

use std::cell::RefCell;

use crate::batch;
use crate::configuration::Configuration;
use crate::enricher::Enricher;
use crate::place::Database;

/// Bytes that an answer to an ordinary batch needs.
const ANSWER_BYTES: usize = 256 * 1024;

#[derive(Default)]
struct Guest {
    input: Vec<u8>,
    answer: Vec<u8>,
    enricher: Option<Enricher>,
}

thread_local! {
    static GUEST: RefCell<Guest> = RefCell::default();
}

#[unsafe(no_mangle)]
extern "C" fn cofferdam_log_abi_0_1_0() {}

#[unsafe(no_mangle)]
extern "C" fn cofferdam_log_alloc(bytes: usize) -> usize {
    GUEST.with_borrow_mut(|guest| {
        guest.input = vec![0; bytes.max(1)];
        guest.input.as_mut_ptr().expose_provenance()
    })
}

#[unsafe(no_mangle)]
extern "C" fn cofferdam_log_configure(_: usize, length: usize) -> i32 {
    let configured = GUEST.with_borrow_mut(|guest| {
        guest.enricher = Some(configured(guest.input.get(..length).unwrap_or_default())?);
        guest.answer = Vec::with_capacity(ANSWER_BYTES);
        Ok::<(), String>(())
    });
    match configured {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("{why}");
            1
        }
    }
}

fn configured(bytes: &[u8]) -> Result<Enricher, String> {
    let configuration = Configuration::read(bytes)?;
    let read = |path: &String| {
        let bytes = std::fs::read(path).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
        Database::read(bytes).map_err(|why| format!("`{path}` {why}"))
    };
    let databases = configuration.databases.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Enricher::new(configuration, databases))
}

#[unsafe(no_mangle)]
extern "C" fn cofferdam_log_batch(_: usize, length: usize) -> u64 {
    GUEST.with_borrow_mut(|guest| {
        let Guest {
            input,
            answer,
            enricher,
        } = guest;
        let batch = input.get(..length).unwrap_or_default();
        // An answer without bytes is none: the records go on with a marker.
        let done = enricher
            .as_ref()
            .and_then(|enricher| batch::answer(enricher, batch, answer));
        match done {
            Some(()) => place(answer.as_ptr().addr(), answer.len()),
            None => 0,
        }
    })
}

fn place(at: usize, length: usize) -> u64 {
    let part = |number: usize| u64::try_from(number).unwrap_or_default();
    part(at) << 32 | part(length)
}
