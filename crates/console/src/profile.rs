//! `/plugins/NAME/profile`: looks at a plugin for a while, then shows what was seen.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::house::{House, NoProfile};
use crate::page::{json, text};

/// How long it takes when nobody says.
const SECONDS: u64 = 10;
/// LIMIT: how long it may take.
const SECONDS_MAX: u64 = 300;
/// LIMIT: for what was seen to be put into words.
const WORDS_MAX: Duration = Duration::from_secs(60);

/// The page, once the time is over. A client that goes away ends it.
pub(crate) async fn page(plugin: &str, query: &str, house: &Arc<dyn House>) -> Response<Bytes> {
    let seconds = match seconds(query) {
        Ok(seconds) => seconds,
        Err(why) => return text(StatusCode::BAD_REQUEST, why),
    };
    let profiling = match house.profile(plugin) {
        Ok(profiling) => profiling,
        Err(NoProfile::Unknown) => {
            return text(
                StatusCode::NOT_FOUND,
                format!("no plugin is named {plugin}; /plugins lists them\n"),
            );
        }
        Err(NoProfile::Busy) => {
            let mut answer = text(
                StatusCode::CONFLICT,
                format!("plugin {plugin} is being profiled already\n"),
            );
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(SECONDS));
            return answer;
        }
    };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let words = tokio::task::spawn_blocking(move || profiling.end());
    match tokio::time::timeout(WORDS_MAX, words).await {
        Ok(Ok(profile)) => json(&profile),
        _ => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the profile could not be put into words; stderr says why\n",
        ),
    }
}

fn seconds(query: &str) -> Result<u64, String> {
    let mut seconds = SECONDS;
    for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
        if name != "seconds" {
            return Err(format!("there is no parameter {name}; there is `seconds`\n"));
        }
        seconds = value
            .parse()
            .ok()
            .filter(|seconds| (1..=SECONDS_MAX).contains(seconds))
            .ok_or_else(|| format!("`seconds` is a whole number from 1 to {SECONDS_MAX}\n"))?;
    }
    Ok(seconds)
}
