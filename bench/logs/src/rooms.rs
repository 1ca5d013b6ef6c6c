//! The steps of our own way of a record by themselves, each on one thread, in processor time: mask, pack, ring, line of JSON, and what it costs to drop.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use log_book::{Pen, Subject as About, Wanted};
use log_mask::field::{Fields, Untrusted};
use log_record::grade::{Class, Level};
use log_record::packed::{Heading, write_line};
use log_ring::{Folder, Mark, Ring, Settings};
use log_ship::Selection;
use log_trace::{Arrived, Ids, Keep, Meters, Outcome, Subject, Table, Threshold, Trace, Trust};

use crate::exchange::{self, Exchange};
use crate::ours::{Masking, fill, rings};
use crate::phase::{GROUP, paced, rank};
use crate::text;
use crate::usage::thread_ns;

/// Bytes of a record whose way into the ring is timed.
const RECORD_BYTES: usize = 512;
/// Between two looks of who drains.
const DRAIN_EVERY: Duration = Duration::from_millis(2);

/// Figures by their names, with units at the end.
type Figures = BTreeMap<String, f64>;

const KINDS: [(Masking, &str); 4] = [
    (Masking::Off, "off"),
    (Masking::Default, "default"),
    (Masking::Mlps3, "mlps3"),
    (Masking::Everything, "everything"),
];

/// Measures each step with so many records.
pub(crate) fn run(records: usize) -> Result<Figures> {
    let mut figures = Figures::new();
    clock(records, &mut figures);
    scan(records, &mut figures)?;
    lines(records, &mut figures)?;
    ring(records, &mut figures)?;
    dropping(records, &mut figures)?;
    Ok(figures)
}

/// Nanoseconds of processor time for each of so many calls.
fn each(count: usize, mut call: impl FnMut(usize)) -> f64 {
    // Caches and branch predictors are warm afterwards.
    (0..count / 10).for_each(&mut call);
    let before = thread_ns();
    (0..count).for_each(call);
    (thread_ns() - before) as f64 / count as f64
}

/// What two looks at the clock cost, which is part of each time that is shown.
fn clock(records: usize, figures: &mut Figures) {
    let mut times: Vec<u32> = Vec::with_capacity(records);
    for _ in 0..records {
        let before = Instant::now();
        times.push(u32::try_from(black_box(before).elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    times.sort_unstable();
    figures.insert(String::from("clock_p50_ns"), f64::from(rank(&times, 0.5)));
    figures.insert(String::from("clock_p99_ns"), f64::from(rank(&times, 0.99)));
}

/// Bytes of text in a second.
fn scan(records: usize, figures: &mut Figures) -> Result<()> {
    for (texts, kind) in [(text::clean(), "clean"), (text::with_secrets(), "secrets")] {
        let bytes = texts.iter().map(String::len).sum::<usize>() as f64 / texts.len() as f64;
        for (masking, name) in KINDS {
            let mut fields = Fields::new(Arc::new(masking.rules()?));
            let mut out = Vec::with_capacity(4096);
            let mut texts = texts.iter().cycle();
            let ns = each(records, |_| {
                out.clear();
                if let Some(text) = texts.next() {
                    black_box(fields.append(Untrusted::Text(text.as_bytes()), &mut out));
                }
            });
            figures.insert(format!("scan_{kind}_{name}_mb_per_s"), bytes / ns * 1e3);
        }
    }
    Ok(())
}

/// Mask and pack, the line, and both; of records with about 400 bytes that somebody sent, and of the usual ones.
fn lines(records: usize, figures: &mut Figures) -> Result<()> {
    for (exchanges, kind) in [(exchange::long(), "400b"), (exchange::usual(), "usual")] {
        let sent = exchanges.iter().map(Exchange::sent_bytes).sum::<usize>();
        figures.insert(format!("sent_{kind}_bytes"), sent as f64 / exchanges.len() as f64);
        for (masking, name) in KINDS {
            way(&exchanges, (masking, &format!("{kind}_{name}")), records, figures)?;
        }
    }
    Ok(())
}

fn way(exchanges: &[Exchange], (masking, name): (Masking, &str), records: usize, figures: &mut Figures) -> Result<()> {
    let mut pen = Pen::dry();
    pen.follow(Arc::new(masking.rules()?), Wanted::of([&Selection::default()]));
    let heading = Heading {
        time_ns: 1_764_000_000_123_456_789,
        level: Level::Info,
        class: Class::Access,
        is_recovered: false,
    };
    let mut line = Vec::with_capacity(4096);
    let at = |number: usize| exchanges.get(number % exchanges.len());
    let packed: Vec<Vec<u8>> = exchanges
        .iter()
        .map(|exchange| pen.pack(|sheet| fill(sheet, exchange)).to_vec())
        .collect();
    let pack_ns = each(records, |number| {
        if let Some(exchange) = at(number) {
            black_box(pen.pack(|sheet| fill(sheet, black_box(exchange))));
        }
    });
    let line_ns = each(records, |number| {
        line.clear();
        if let Some(packed) = packed.get(number % packed.len()) {
            write_line(&heading, black_box(packed), &mut line);
        }
        black_box(&line);
    });
    let both = |number: usize, pen: &mut Pen, line: &mut Vec<u8>| {
        line.clear();
        if let Some(exchange) = at(number) {
            write_line(&heading, pen.pack(|sheet| fill(sheet, black_box(exchange))), line);
        }
        black_box(&line);
    };
    let both_ns = each(records, |number| both(number, &mut pen, &mut line));
    let allocated = allocation_counter::measure(|| (0..1024).for_each(|number| both(number, &mut pen, &mut line)));
    figures.insert(format!("mask_and_pack_{name}_ns"), pack_ns);
    figures.insert(format!("line_{name}_ns"), line_ns);
    figures.insert(format!("mask_pack_line_{name}_ns"), both_ns);
    figures.insert(
        format!("mask_pack_line_{name}_allocations"),
        allocated.count_total as f64 / 1024.0,
    );
    figures.insert(
        format!("packed_{name}_bytes"),
        packed.iter().map(Vec::len).sum::<usize>() as f64 / packed.len() as f64,
    );
    Ok(())
}

/// The way into the ring alone, while another thread takes out what is in it.
fn ring(records: usize, figures: &mut Figures) -> Result<()> {
    let temporary = rings()?;
    let folder = Folder::open(&temporary.path().join("rings"))?;
    let (ring, mut producer, mut consumer) = Ring::create(&folder, "worker-0", &Settings::default())?;
    let mark = Mark {
        level: log_ring::Level::new(Level::Info.number()).context("no level")?,
        class: log_ring::Class::new(Class::Access.number()).context("no class")?,
        stamp_ns: 1,
    };
    let is_over = AtomicBool::new(false);
    let mut times = Vec::with_capacity(records + GROUP);
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let end = consumer.batch(1 << 20, u64::MAX).end();
                consumer.release(end);
                std::thread::sleep(DRAIN_EVERY);
            }
        });
        let payload = [b'x'; RECORD_BYTES];
        let mut refused = 0_u32;
        paced(records, |_| {
            for _ in 0..GROUP {
                let before = Instant::now();
                refused += u32::from(producer.write(mark, black_box(&payload)).is_err());
                times.push(u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
        });
        is_over.store(true, Ordering::Relaxed);
        refused
    });
    ring.remove()?;
    times.sort_unstable();
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
        figures.insert(format!("ring_{name}_ns"), f64::from(rank(&times, part)));
    }
    figures.insert(String::from("ring_refused"), f64::from(refused));
    Ok(())
}

/// What a record costs that is not written: one that no sink wants, and an exchange that sampling drops.
fn dropping(records: usize, figures: &mut Figures) -> Result<()> {
    let mut pen = Pen::dry();
    let (exchanges, records) = (exchange::usual(), records * 10);
    let about = About::now(Level::Debug, Class::Plugin);
    let at = |number: usize| exchanges.get(number % exchanges.len());
    let unwanted = each(records, |number| {
        if let Some(exchange) = at(number) {
            black_box(&mut pen).write(black_box(about), |sheet| fill(sheet, exchange));
        }
    });
    figures.insert(String::from("drop_unwanted_ns"), unwanted);
    let settings = log_trace::Settings {
        otherwise: Keep::Ratio(Threshold::of_ratio(0.000_001)?),
        ..log_trace::Settings::default()
    };
    let (table, mut meters) = (Table::new(settings)?, Meters::with_keys(64, 7)?);
    let mut ids = Ids::new([1, 2, 3, 4]);
    let trace = Trace::begin(&Arrived::default(), Trust::Nobody, &mut ids);
    let subject = Subject {
        level: Level::Info,
        route: Some(1),
        tenant: None,
        plugin: None,
    };
    let begin = each(records, |_| {
        black_box(black_box(&table).begin(black_box(&trace), black_box(&subject)));
    });
    let decision = table.begin(&trace, &subject);
    let line = each(records, |_| {
        black_box(black_box(&table).line(&mut meters, black_box(&decision), black_box(&subject), 1));
    });
    let outcome = Outcome {
        status: Some(200),
        fault: None,
        duration_ns: 1_500_000,
    };
    let end = each(records, |_| {
        black_box(black_box(&table).end(
            &mut meters,
            black_box(&decision),
            black_box(&subject),
            black_box(&outcome),
            1,
        ));
    });
    figures.insert(String::from("drop_begin_ns"), begin);
    figures.insert(String::from("drop_line_ns"), line);
    figures.insert(String::from("drop_end_ns"), end);
    Ok(())
}
