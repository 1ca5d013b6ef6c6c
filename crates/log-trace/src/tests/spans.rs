//! Spans: their tree, their ends, and their room.

use crate::{Attribute, Ids, Place, SpanId, Spans, Stage, Status, Value};

fn ids() -> Ids {
    Ids::new([3, 1, 4, 1])
}

#[test]
fn stages_hang_below_each_other_and_have_their_times() {
    let (mut spans, mut ids) = (Spans::with_room(8), ids());
    let (own, caller) = (ids.span(), ids.span());
    let root = spans.begin(own, Some(caller), 1, 100);
    let plugin = spans.open(Stage::Plugin, 7, root, 110, &mut ids);
    let callout = spans.open(Stage::Callout, 9, plugin, 120, &mut ids);
    spans.close(callout, Status::Failed, 130);
    spans.close(callout, Status::Good, 140);
    // A clock that goes back makes no negative duration.
    spans.close(plugin, Status::Good, 90);
    let upstream = spans.open(Stage::Upstream, 2, root, 150, &mut ids);
    spans.finish(Status::Good, 200);
    let seen: Vec<_> = spans
        .all()
        .iter()
        .map(|span| (span.stage, span.name, span.start_ns, span.end_ns, span.status.unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            (Stage::Exchange, 1, 100, 200, Status::Good),
            (Stage::Plugin, 7, 110, 110, Status::Good),
            (Stage::Callout, 9, 120, 130, Status::Failed),
            (Stage::Upstream, 2, 150, 200, Status::Cut),
        ]
    );
    let parents: Vec<_> = spans.all().iter().map(|span| span.parent).collect();
    assert_eq!(parents, [Some(caller), Some(own), spans.id(plugin), Some(own)]);
    assert_ne!(spans.id(upstream), spans.id(plugin));
}

#[test]
fn what_has_no_room_is_counted_and_told_as_the_exchange() {
    let (mut spans, mut ids) = (Spans::with_room(2), ids());
    let own = ids.span();
    let root = spans.begin(own, None, 0, 0);
    spans.open(Stage::Route, 0, root, 0, &mut ids);
    let lost = spans.open(Stage::Plugin, 1, root, 0, &mut ids);
    assert_eq!(lost, Place::NONE);
    assert_eq!(spans.id(lost), Some(own));
    spans.note(lost, Attribute::Code, Value::Number(200));
    spans.close(lost, Status::Good, 1);
    spans.open(Stage::Callout, 1, lost, 0, &mut ids);
    assert_eq!((spans.all().len(), spans.dropped()), (2, 2));
    // The list is used again for another exchange, without growing.
    spans.clear();
    assert_eq!((spans.all().len(), spans.dropped(), spans.id(root)), (0, 0, None));
}

#[test]
fn without_room_nothing_is_kept_and_with_too_much_of_it_256() {
    let mut ids = ids();
    for (room, kept) in [(0, 0), (1_000_000, 256)] {
        let mut spans = Spans::with_room(room);
        for _ in 0..10_000 {
            spans.open(Stage::Upstream, 0, Place::NONE, 0, &mut ids);
        }
        assert_eq!(
            (spans.all().len(), spans.dropped()),
            (kept, 10_000 - u32::try_from(kept).unwrap())
        );
    }
}

#[test]
fn attributes_are_six_and_the_last_value_counts() {
    let (mut spans, mut ids) = (Spans::with_room(1), ids());
    let place = spans.begin(ids.span(), None, 0, 0);
    let all = [
        Attribute::Code,
        Attribute::Try,
        Attribute::Verdict,
        Attribute::Fault,
        Attribute::BytesIn,
        Attribute::BytesOut,
        Attribute::Cpu,
    ];
    for attribute in all {
        spans.note(place, attribute, Value::Word("first"));
        spans.note(place, attribute, Value::Number(2));
    }
    let span = &spans.all()[0];
    let seen: Vec<_> = span.attributes().collect();
    assert_eq!(
        seen,
        all[..6]
            .iter()
            .map(|attribute| (*attribute, Value::Number(2)))
            .collect::<Vec<_>>()
    );
    assert_eq!(span.attributes_dropped(), 2);
    assert_eq!(SpanId::new(0), None);
}

#[test]
fn what_is_below_nothing_is_below_the_exchange() {
    let (mut spans, mut ids) = (Spans::with_room(2), ids());
    let own = ids.span();
    spans.begin(own, None, 0, 0);
    spans.open(Stage::Wait, 0, Place::NONE, 0, &mut ids);
    assert_eq!(spans.all()[1].parent, Some(own));
}
