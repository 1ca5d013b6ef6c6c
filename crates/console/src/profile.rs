//! `/plugins/NAME/profile`: looks at a plugin for a while, then shows what was seen.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::sync::Semaphore;

use crate::house::{House, Looked, NoProfile, Ordered, PROFILE_SECONDS_MAX};
use crate::page::{json, text};

/// How long it takes when nobody says.
const SECONDS: u64 = 10;
/// LIMIT: profiles that are taken at a time; other pages need their makers too.
static PLACES: Semaphore = Semaphore::const_new(2);
/// What is said when a profile breaks.
const BROKEN: &str = "the profile could not be made; stderr says why";
/// LIMIT: for what was seen to be put into words.
const WORDS_MAX: Duration = Duration::from_secs(60);

/// The page, once the time is over. A client that goes away ends it.
pub(crate) async fn page((plugin, from): (&str, IpAddr), query: &str, house: &Arc<dyn House>) -> Response<Bytes> {
    let Wanted { seconds, what } = match wanted(query) {
        Ok(wanted) => wanted,
        Err(why) => return text(StatusCode::BAD_REQUEST, why),
    };
    let Ok(_place) = PLACES.try_acquire() else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "as many profiles are being taken as may at a time\n",
        );
    };
    let (asked, name) = (Arc::clone(house), plugin.to_owned());
    let begun = tokio::task::spawn_blocking(move || {
        let begun = asked.profile(&name, what);
        asked.ordered(&Ordered {
            from,
            order: "profile",
            plugin: &name,
            what: "",
            why_not: begun.as_ref().err().map(NoProfile::text),
        });
        begun
    });
    let profiling = match begun
        .await
        .unwrap_or_else(|_| Err(NoProfile::Refused(BROKEN.to_owned())))
    {
        Ok(profiling) => profiling,
        Err(why) => return refused(plugin, why),
    };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // There, too, the text is made: health is answered on this thread.
    let words = tokio::task::spawn_blocking(move || json(&profiling.end()));
    match tokio::time::timeout(WORDS_MAX, words).await {
        Ok(Ok(page)) => page,
        Ok(Err(_)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{BROKEN}\n")),
        Err(_) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("what was seen could not be put into words within {WORDS_MAX:?}; a shorter time has less\n"),
        ),
    }
}

struct Wanted {
    seconds: u64,
    what: Looked,
}

fn wanted(query: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seconds: SECONDS,
        what: Looked::Time,
    };
    for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
        match name {
            "seconds" => {
                let seconds = value.parse().ok();
                wanted.seconds = seconds
                    .filter(|seconds| (1..=PROFILE_SECONDS_MAX).contains(seconds))
                    .ok_or_else(|| format!("`seconds` is a whole number from 1 to {PROFILE_SECONDS_MAX}\n"))?;
            }
            "what" => {
                let known = [Looked::Time, Looked::Memory];
                wanted.what = known
                    .into_iter()
                    .find(|what| what.word() == value)
                    .ok_or("`what` is `time` or `memory`\n")?;
            }
            _ => {
                return Err(format!(
                    "there is no parameter {name}; there are `seconds` and `what`\n"
                ));
            }
        }
    }
    Ok(wanted)
}

fn refused(plugin: &str, why: NoProfile) -> Response<Bytes> {
    match why {
        NoProfile::Unknown => text(
            StatusCode::NOT_FOUND,
            format!("no plugin is named {plugin}; /plugins lists them\n"),
        ),
        NoProfile::Busy => {
            let mut answer = text(
                StatusCode::CONFLICT,
                format!("plugin {plugin} is being profiled already\n"),
            );
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(SECONDS));
            answer
        }
        NoProfile::Refused(why) => text(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("plugin {plugin} cannot be looked at: {why}\n"),
        ),
    }
}
