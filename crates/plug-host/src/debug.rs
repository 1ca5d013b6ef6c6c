//! A guest under a debugger: where it may run, where it stops, and what it tells while it is stopped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use plug_debug::{Answers, Death, Debugger, Image, Orders, Seat, Why};
use wasmtime::{
    AsContext, AsContextMut, DebugEvent, DebugHandler, FrameHandle, ModulePC, Store, StoreContextMut, Trap, Val,
};

use crate::calls::wasi::Exited;
use crate::guest::OnWorker;
use crate::module::Module;

/// LIMIT: frames of a stack that a client is shown; a recursion that ran away has hundreds of thousands.
const FRAMES_MAX: usize = 1_000;

/// A place where LLDB attaches to the guests of one plugin.
pub struct Debugging {
    debugger: Arc<Debugger>,
    image: Image,
    /// The seat of the next guest.
    seat: Mutex<Option<Seat>>,
    /// Exchanges that were not debugged because another was.
    passed: AtomicU64,
}

impl Debugging {
    /// Guests of one module may be debugged through `debugger`, whose client sees them as `image`.
    #[must_use]
    pub fn new(debugger: Arc<Debugger>, image: Image) -> Arc<Self> {
        Arc::new(Self {
            debugger,
            image,
            seat: Mutex::default(),
            passed: AtomicU64::new(0),
        })
    }

    /// Where LLDB attaches.
    #[must_use]
    pub fn debugger(&self) -> &Debugger {
        &self.debugger
    }

    /// Lets LLDB see this module, instead of one that was there before.
    pub fn show(&self) {
        self.debugger.show(&self.image);
    }

    /// The debugger's attention for one guest, if no other has it.
    pub fn reserve(&self) -> Option<Seat> {
        let seat = self.debugger.seat();
        match &seat {
            Some(_) => self.show(),
            None => drop(self.passed.fetch_add(1, Ordering::Relaxed)),
        }
        seat
    }

    /// Gives what was reserved to the instance that is started next.
    pub fn give(&self, seat: Seat) {
        *self.seat.lock() = Some(seat);
    }

    /// How many exchanges were not debugged since it was last asked.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.swap(0, Ordering::Relaxed)
    }
}

impl Module {
    /// The module as LLDB shall see it: `twin` has the same code and more debug information.
    #[must_use]
    pub fn image(&self, name: &Path, own: &[u8], twin: Option<&[u8]>) -> Image {
        let code_at = u32::try_from(self.facts.code_at).unwrap_or_default();
        let name = name.file_name().unwrap_or_default().to_string_lossy();
        let twin = twin.and_then(|twin| Some((twin, plug_report::code_at(twin)?)));
        match twin {
            Some((bytes, shown_at)) => Image::new(&name, bytes, code_at, shown_at),
            None => Image::new(&name, own, code_at, code_at),
        }
    }
}

/// One guest's time with a debugger.
pub(crate) struct Visit {
    seat: Seat,
    module: wasmtime::Module,
    /// The orders that its code has in it.
    followed: Mutex<Orders>,
}

/// The engine's name for it.
#[derive(Clone)]
struct Handler(Arc<Visit>);

/// Puts the guest of a new store under the debugger that waits for it, if one does.
pub(crate) fn watch(store: &mut Store<OnWorker>) {
    let plugin = &store.data().0.first;
    let Some(seat) = plugin
        .debugging
        .as_ref()
        .and_then(|debugging| debugging.seat.lock().take())
    else {
        return;
    };
    let visit = Arc::new(Visit {
        seat,
        module: plugin.module.code.clone(),
        followed: Mutex::default(),
    });
    store.data_mut().0.debugged = Some(Arc::clone(&visit));
    store.set_debug_handler(Handler(visit));
}

/// Before a guest is entered: waits until the debugger lets it run.
pub(crate) async fn before(store: &mut Store<OnWorker>) {
    let Some(visit) = store.data().0.debugged.clone() else {
        return;
    };
    let orders = visit.seat.may_run().await;
    visit.follow(store.as_context_mut(), orders);
}

/// After a guest has returned.
pub(crate) fn after(store: &Store<OnWorker>) {
    if let Some(visit) = &store.data().0.debugged {
        visit.seat.left();
    }
}

impl DebugHandler for Handler {
    type Data = OnWorker;

    async fn handle(&self, mut store: StoreContextMut<'_, OnWorker>, event: DebugEvent<'_>) {
        let visit = &self.0;
        if let Some(why) = visit.why(&event) {
            visit.stand(store.as_context_mut(), why).await;
        }
        if visit.seat.is_watched() {
            // Its slice counts from when nobody looks on any more.
            store.data_mut().0.slice.begin();
        }
    }
}

impl Visit {
    /// Why the guest stops, if it does.
    fn why(&self, event: &DebugEvent<'_>) -> Option<Why> {
        match event {
            DebugEvent::Breakpoint => Some(Why::Breakpoint),
            DebugEvent::EpochYield => self.seat.is_interrupted().then_some(Why::Interrupted),
            DebugEvent::Trap(trap) => Some(Why::Death(death(*trap))),
            DebugEvent::HostcallError(why) => {
                // A command that ends by `proc_exit(0)` ends well.
                let well = why.downcast_ref::<Exited>().is_some_and(|exited| exited.0 == 0);
                (!well).then_some(Why::Death(Death::HostCall))
            }
            DebugEvent::Exception(_) => None,
        }
    }

    /// Stands still until the client lets it go on.
    async fn stand(&self, mut store: StoreContextMut<'_, OnWorker>, why: Why) {
        let mut places = self.places(&mut store);
        let Some(innermost) = places.first_mut() else {
            // In the host's own code before the guest's.
            return;
        };
        if why == Why::Breakpoint {
            *innermost = self.asked_for(&mut store, *innermost);
        }
        let Some(mut stop) = self.seat.stop(why, places) else {
            return self.follow(store.as_context_mut(), self.seat.orders());
        };
        while let Some(question) = stop.question().await {
            question.put_to(&mut View {
                visit: self,
                store: store.as_context_mut(),
            });
        }
        self.follow(store, self.seat.orders());
    }

    /// Makes the guest's code stop where it shall.
    fn follow(&self, store: StoreContextMut<'_, OnWorker>, orders: Orders) {
        let mut followed = self.followed.lock();
        if *followed == orders {
            return;
        }
        let Some(mut edit) = store.edit_breakpoints() else {
            return;
        };
        for gone in followed.breakpoints.difference(&orders.breakpoints) {
            // It fails only for a module of another engine.
            let _ = edit.remove_breakpoint(&self.module, ModulePC::new(*gone));
        }
        for new in orders.breakpoints.difference(&followed.breakpoints) {
            let _ = edit.add_breakpoint(&self.module, ModulePC::new(*new));
        }
        if edit.single_step(orders.step).is_ok() {
            *followed = orders;
        }
    }

    /// The guest's frames, innermost first, without those of the host's own code.
    fn frames(&self, store: &mut StoreContextMut<'_, OnWorker>) -> Vec<FrameHandle> {
        let mut frames = Vec::new();
        let exits: Vec<FrameHandle> = store.debug_exit_frames().collect();
        for exit in exits {
            let mut next = Some(exit);
            while let Some(frame) = next {
                if frames.len() >= FRAMES_MAX {
                    return frames;
                }
                next = frame.parent(&mut *store).ok().flatten();
                let module = frame.module(store.as_context_mut()).ok().flatten();
                if module.is_some_and(|module| wasmtime::Module::same(module, &self.module)) {
                    frames.push(frame);
                }
            }
        }
        frames
    }

    fn places(&self, store: &mut StoreContextMut<'_, OnWorker>) -> Vec<u32> {
        let frames = self.frames(store);
        let place = |frame: FrameHandle| Some(frame.wasm_function_index_and_pc(&mut *store).ok()??.1.raw());
        frames.into_iter().filter_map(place).collect()
    }

    /// The breakpoint that the client asked for where the guest has stopped. The engine moves one that is not at the beginning of an
    /// instruction to the next; LLDB would take a stop elsewhere for one that it has not asked for.
    fn asked_for(&self, store: &mut StoreContextMut<'_, OnWorker>, place: u32) -> u32 {
        let followed = self.followed.lock();
        if followed.breakpoints.contains(&place) {
            return place;
        }
        let made: std::collections::BTreeSet<u32> = store
            .as_context()
            .breakpoints()
            .into_iter()
            .flatten()
            .map(|made| made.pc.raw())
            .collect();
        let leads_here = |asked: &&u32| made.range(**asked..).next() == Some(&place);
        let asked = followed.breakpoints.range(..place).rev().find(leads_here);
        asked.copied().unwrap_or(place)
    }
}

fn death(trap: Trap) -> Death {
    match trap {
        Trap::UnreachableCodeReached => Death::GivenUp,
        Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => Death::Arithmetic,
        Trap::IndirectCallToNull | Trap::BadSignature | Trap::TableOutOfBounds => Death::Call,
        Trap::Interrupt | Trap::OutOfFuel => Death::Time,
        _ => Death::Memory,
    }
}

/// A stopped guest, for one question.
struct View<'a> {
    visit: &'a Visit,
    store: StoreContextMut<'a, OnWorker>,
}

impl View<'_> {
    fn frame(&mut self, frame: usize) -> Option<FrameHandle> {
        self.visit.frames(&mut self.store).into_iter().nth(frame)
    }
}

impl Answers for View<'_> {
    fn local(&mut self, frame: usize, index: usize) -> Option<Vec<u8>> {
        let (frame, index) = (self.frame(frame)?, u32::try_from(index).ok()?);
        // The engine panics over one that is not there.
        let there = frame.num_locals(&mut self.store).ok()? > index;
        let value = there.then(|| frame.local(&mut self.store, index))?;
        Some(bytes(&value.ok()?))
    }

    fn operand(&mut self, frame: usize, index: usize) -> Option<Vec<u8>> {
        let (frame, index) = (self.frame(frame)?, u32::try_from(index).ok()?);
        let there = frame.num_stacks(&mut self.store).ok()? > index;
        let value = there.then(|| frame.stack(&mut self.store, index))?;
        Some(bytes(&value.ok()?))
    }

    fn global(&mut self, frame: usize, index: usize) -> Option<Vec<u8>> {
        let (frame, index) = (self.frame(frame)?, u32::try_from(index).ok()?);
        let instance = frame.instance(&mut self.store).ok()?;
        let global = instance.debug_global(&mut self.store, index)?;
        Some(bytes(&global.get(&mut self.store)))
    }

    fn memory(&mut self, at: u32, length: usize) -> Option<Vec<u8>> {
        let instance = self.frame(0)?.instance(&mut self.store).ok()?;
        let memory = instance.debug_memory(&mut self.store, 0)?;
        let rest = memory.data(&self.store).get(usize::try_from(at).ok()?..)?;
        Some(rest.get(..length).unwrap_or(rest).to_vec())
    }
}

/// A value as it lies in memory; references have no bytes that say anything.
fn bytes(value: &Val) -> Vec<u8> {
    match value {
        Val::I32(value) => value.to_le_bytes().to_vec(),
        Val::I64(value) => value.to_le_bytes().to_vec(),
        Val::F32(bits) => bits.to_le_bytes().to_vec(),
        Val::F64(bits) => bits.to_le_bytes().to_vec(),
        Val::V128(value) => value.as_u128().to_le_bytes().to_vec(),
        _ => vec![0; 4],
    }
}
