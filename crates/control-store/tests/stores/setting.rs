//! What the tests of all stores share: settings, and waiting for news.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use control_store::{
    Backend, Board, Delivered, Endpoint, Listener, News, Outcome, Place, Publication, Published, Settings, Store, Watch,
};

/// How long what must happen may take; long, because the machine may be busy, and a silent line is noticed after 20 s.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Does what the testkit does asynchronously.
pub(crate) fn block<T>(work: impl Future<Output = anyhow::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work).unwrap()
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

pub(crate) fn prefix() -> Place {
    Place::Prefix(String::from("gateways/test"))
}

pub(crate) fn settings(backend: Backend, place: Place) -> Settings {
    Settings {
        backend,
        place,
        node: String::from("gw-1"),
        folder: PathBuf::from("/somewhere"),
        signed_by: None,
        reconcile: Duration::from_secs(300),
        clock: || String::from("2026-01-02T03:04:05Z"),
        listener: Listener::default(),
    }
}

pub(crate) fn push(settings: &Settings, text: &str) -> Published {
    Store::open(settings).unwrap().publish(&publication(text)).unwrap()
}

pub(crate) fn publication(text: &str) -> Publication<'_> {
    Publication {
        text,
        message: "because",
        who: "tester",
        signature: None,
        if_revision: None,
    }
}

pub(crate) fn follow(settings: &Settings) -> Watch {
    Watch::start(settings.clone(), || {}).unwrap()
}

/// The first news that is wanted; what comes before it is passed over.
pub(crate) fn news<T>(watch: &Watch, wanted: impl Fn(&News) -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    let mut passed = Vec::new();
    while let Some(news) = watch.next(end.saturating_duration_since(Instant::now())) {
        if let Some(found) = wanted(&news) {
            return found;
        }
        passed.push(news);
    }
    panic!("not told in time; told: {passed:?}");
}

pub(crate) fn delivered(watch: &Watch) -> Delivered {
    news(watch, |news| match news {
        News::Delivered(delivered) => Some((**delivered).clone()),
        _ => None,
    })
}

pub(crate) fn untaken(watch: &Watch) -> String {
    news(watch, |news| match news {
        News::Untaken { why } => Some(why.clone()),
        _ => None,
    })
}

pub(crate) fn lost(watch: &Watch) -> String {
    news(watch, |news| match news {
        News::Lost { why } => Some(why.clone()),
        _ => None,
    })
}

pub(crate) fn connected(watch: &Watch) {
    news(watch, |news| (*news == News::Connected).then_some(()));
}

pub(crate) fn accept(watch: &Watch, delivered: &Delivered) {
    let outcome = Outcome {
        accepted: true,
        errors: Vec::new(),
        generation: 3,
    };
    watch.report(&delivered.revision, outcome);
    assert!(watch.settled(DEADLINE));
}

pub(crate) fn reject(watch: &Watch, delivered: &Delivered, why: &str) {
    let outcome = Outcome {
        accepted: false,
        errors: vec![why.to_owned()],
        generation: 3,
    };
    watch.report(&delivered.revision, outcome);
    assert!(watch.settled(DEADLINE));
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What every store must do: deliver, report back, count, refuse the slower of two, keep a history, go back.
pub(crate) fn does_what_stores_do(settings: &Settings) {
    let watch = follow(settings);
    assert!(untaken(&watch).contains("nothing stands at"));
    let first = push(settings, "routes: [] # one");
    assert_eq!((first.revision.number, first.before, first.is_new), (1, None, true));
    let one = delivered(&watch);
    assert_eq!((one.text.as_str(), one.revision), ("routes: [] # one", first.revision));
    accept(&watch, &one);
    let mut store = Store::open(settings).unwrap();
    let said = store.statuses().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        (said[0].node.as_str(), said[0].outcome.word(), said[0].revision),
        ("gw-1", "accepted", 1)
    );
    assert_eq!((said[0].serving, said[0].generation), (Some(1), 3));

    let second = push(settings, "routes: [] # two");
    assert_eq!((second.revision.number, second.before), (2, Some(1)));
    let two = delivered(&watch);
    reject(&watch, &two, "line 1 is wrong");
    let said = store.statuses().unwrap();
    assert_eq!(
        (said[0].outcome.word(), said[0].revision, said[0].serving),
        ("rejected", 2, Some(1))
    );
    assert_eq!(said[0].errors, ["line 1 is wrong"]);
    assert_eq!(watch.health().rejected, 2, "the absent one and the wrong one");

    assert!(
        !push(settings, "routes: [] # two").is_new,
        "the same again is no revision"
    );
    let late = Publication {
        if_revision: Some(1),
        ..publication("routes: [] # late")
    };
    let raced = store.publish(&late).unwrap_err();
    assert_eq!(raced.code(), "store.raced", "{raced}");

    let back = store.roll_back(None, "tester", "it was wrong").unwrap();
    assert_eq!((back.revision.number, back.revision.digest), (3, first.revision.digest));
    let three = delivered(&watch);
    assert_eq!((three.text.as_str(), three.revision.number), ("routes: [] # one", 3));
    let history = store.history().unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|entry| (entry.revision, entry.rolled_back_to))
        .collect();
    assert_eq!(told, [(3, Some(1)), (2, None), (1, None)]);
    assert_eq!(
        (history[2].who.as_str(), history[2].message.as_str()),
        ("tester", "because")
    );
    assert_eq!(store.text_of(2).unwrap(), "routes: [] # two");
    let missing = store.roll_back(Some(77), "tester", "").unwrap_err();
    assert!(missing.to_string().contains("no revision 77"), "{missing}");
}

/// Gateways leave word for each other: each overwrites its own, a note is replaced only as it was seen, and what is removed is gone.
pub(crate) fn lets_gateways_leave_word(settings: &Settings) {
    let watch = follow(settings);
    push(settings, "routes: []");
    let first = delivered(&watch);
    accept(&watch, &first);
    let mut one = Board::open(settings).unwrap();
    let of_two = Settings {
        node: String::from("gw-2"),
        ..settings.clone()
    };
    let mut two = Board::open(&of_two).unwrap();
    let posted = one.read().unwrap();
    assert_eq!(posted.gateways, ["gw-1"]);
    assert!(posted.reports.is_empty() && posted.notes.is_empty(), "{posted:?}");
    for text in ["I wait", "I begin"] {
        one.report(text.into()).unwrap();
        two.report(b"so do I".to_vec()).unwrap();
    }
    let mut reports = two.read().unwrap().reports;
    reports.sort();
    let said = |gateway: &str, text: &'static str| (gateway.to_owned(), text.into());
    assert_eq!(reports, [said("gw-1", "I begin"), said("gw-2", "so do I")]);
    // Both saw nothing; one is faster. The name is none that a key may have.
    let plugin = "../a b/é*";
    assert!(one.replace(plugin, None, Some(b"first".to_vec())).unwrap());
    assert!(!two.replace(plugin, None, Some(b"second".to_vec())).unwrap());
    let seen = |board: &mut Board| board.read().unwrap().notes.pop().unwrap();
    let note = seen(&mut two);
    assert_eq!((note.plugin.as_str(), &note.text()[..]), (plugin, &b"first"[..]));
    assert!(two.replace(plugin, Some(&note), Some(b"second".to_vec())).unwrap());
    assert!(!one.replace(plugin, Some(&note), Some(b"third".to_vec())).unwrap());
    assert!(!one.replace(plugin, Some(&note), None).unwrap());
    let note = seen(&mut one);
    assert_eq!(&note.text()[..], b"second");
    assert!(one.replace(plugin, Some(&note), None).unwrap());
    one.forget(&[String::from("gw-1"), String::from("gw-2")]).unwrap();
    let posted = two.read().unwrap();
    assert!(posted.reports.is_empty() && posted.notes.is_empty(), "{posted:?}");
    // What gateways tell each other is no news of a configuration.
    assert_eq!(watch.health().wanted, Some(first.revision));
}

/// Of many who push at the same time from the same state, exactly one is served.
pub(crate) fn lets_one_of_many_win(settings: &Settings) {
    push(settings, "begin");
    let racers: Vec<_> = (0..4)
        .map(|number| {
            let settings = settings.clone();
            std::thread::spawn(move || {
                let text = format!("racer {number}");
                let racer = Publication {
                    if_revision: Some(1),
                    ..publication(&text)
                };
                Store::open(&settings).unwrap().publish(&racer)
            })
        })
        .collect();
    let outcomes: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "{outcomes:?}");
    let raced = |outcome: &Result<Published, control_store::StoreFault>| {
        outcome.as_ref().is_err_and(|fault| fault.code() == "store.raced")
    };
    assert_eq!(
        outcomes.iter().filter(|outcome| raced(outcome)).count(),
        3,
        "{outcomes:?}"
    );
    assert_eq!(
        Store::open(settings).unwrap().history().unwrap().len(),
        2,
        "the losers left nothing"
    );
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
