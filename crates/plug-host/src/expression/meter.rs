//! What an evaluation may cost: each value that is worked on is paid for by its size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::types::{CelBool, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError, FunctionContext};
use regex::RegexBuilder;

use crate::expression::value;

/// Hands its argument on once it is paid for. No text can name it.
pub(super) const METER: &str = "@meter";
/// CEL's `matches`. The crate's own compiles patterns of any size.
pub(super) const MATCHES: &str = "@matches";

/// LIMIT: what one evaluation may spend: bytes of all values it works on, and something for each step. The dearest that were found
/// take about 15 ms; 16,000 steps are more than Envoy lets a macro go round.
const COST_MAX: u64 = 2 * 1024 * 1024;
/// What a step costs beside the bytes of its value.
const STEP_COST: u64 = 128;
/// What compiling a pattern costs: up to 0.9 ms.
const PATTERN_COST: u64 = 160 * 1024;
/// LIMIT: bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 256;
/// LIMIT: bytes of a compiled pattern.
const COMPILED_BYTES_MAX: usize = 64 * 1024;
/// LIMIT: levels of a pattern.
const PATTERN_DEPTH_MAX: u32 = 16;

/// What is left to spend. The crate wants what functions hold to be `Sync`; one thread uses it.
#[derive(Clone)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    fn pay(&self, cost: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(cost);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 {
            return Err(refused("costs too much"));
        }
        Ok(())
    }

    /// Whether the evaluation was stopped because it costs too much.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn pay_for(&self, value: &(dyn Val + '_)) -> Result<(), ExecutionError> {
        self.pay(value::weight(value).saturating_add(STEP_COST))
    }

    fn matches(&self, arguments: &[CowVal<'_, '_>]) -> Result<bool, ExecutionError> {
        let [text, pattern] = arguments else {
            return Err(refused("takes a text and a pattern"));
        };
        let text = text.downcast_ref::<CelString<'_>>();
        let pattern = pattern.downcast_ref::<CelString<'_>>();
        let (Some(text), Some(pattern)) = (text, pattern) else {
            return Err(refused("takes a text and a pattern"));
        };
        if pattern.inner().len() > PATTERN_BYTES_MAX {
            return Err(refused("takes short patterns"));
        }
        self.pay(PATTERN_COST)?;
        let compiled = RegexBuilder::new(pattern.inner())
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .nest_limit(PATTERN_DEPTH_MAX)
            .build()
            .map_err(|_| refused("takes patterns"))?;
        Ok(compiled.is_match(text.inner()))
    }
}

fn refused(why: &str) -> ExecutionError {
    ExecutionError::function_error("expression", why)
}

/// A context with CEL's functions in which what an evaluation does is paid for.
pub(super) fn context<'v>() -> Option<(Context<'static, 'v>, Meter)> {
    thread_local! {
        static ENVIRONMENT: Arc<Env> = Arc::new(Env::default().with_optional_support(false).with_stdlib());
    }
    let meter = Meter(Arc::new(AtomicU64::new(COST_MAX)));
    let mut context = Context::with_env(ENVIRONMENT.with(Arc::clone));
    let pays = meter.clone();
    context
        .add_function(
            METER,
            metered(move |call| {
                let value = call.args.pop().ok_or_else(|| refused("has nothing to count"))?;
                pays.pay_for(&*value)?;
                Ok(value)
            }),
        )
        .ok()?;
    let pays = meter.clone();
    context
        .add_function(
            MATCHES,
            metered(move |call| {
                let matches = pays.matches(&call.args)?;
                Ok(CowVal::owned(CelBool::from(matches)))
            }),
        )
        .ok()?;
    Some((context, meter))
}

/// The form in which the crate takes functions that hand a value on without a copy.
type Function =
    Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync>;

fn metered<F>(function: F) -> Function
where
    F: for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync + 'static,
{
    Box::new(function)
}
