//! Metrics that plugins define.

use plug_abi::{MetricKind, Status};

use crate::calls::Done;
use crate::guest::Host;
use crate::metrics::Counted;

/// LIMIT: bytes of a metric's name; the registry keeps it for the life of the process.
const NAME_BYTES_MAX: usize = 1_024;

pub(crate) fn proxy_define_metric(host: &mut Host<'_>, kind: u32, name: u32, length: u32, id_at: u32) -> Done {
    let kind = MetricKind::from_raw(kind).ok_or(Status::BadArgument)?;
    let name = host.name((name, length), NAME_BYTES_MAX)?;
    host.check_u32(id_at)?;
    let plugin = &host.guest.plugin().spec.name;
    let shared = host
        .guest
        .process
        .metrics
        .define(plugin, &name, kind)
        .ok_or(Status::BadArgument)?;
    let stats = host.guest.plugin().workers.get(host.guest.worker);
    let own = stats.map(|stats| stats.metrics.define(&name, kind));
    let metric = Counted { shared, own };
    let id = host.guest.metrics.insert(metric, name).ok_or(Status::InternalFailure)?;
    host.write_u32(id_at, id)
}

pub(crate) fn proxy_record_metric(host: &mut Host<'_>, id: u32, value: u64) -> Done {
    host.guest.metrics.get(id).ok_or(Status::NotFound)?.record(value);
    Ok(())
}

pub(crate) fn proxy_increment_metric(host: &mut Host<'_>, id: u32, delta: i64) -> Done {
    // Envoy tells kinds apart by the id, whether or not there is such a metric.
    match plug_abi::tokens::metric_kind(id).ok_or(Status::BadArgument)? {
        MetricKind::Histogram => Err(Status::BadArgument),
        kind => {
            let metric = host.guest.metrics.get(id).ok_or(Status::NotFound)?;
            // Envoy refuses a counter that would not grow.
            if kind == MetricKind::Counter && delta <= 0 {
                return Err(Status::BadArgument);
            }
            metric.add(delta);
            Ok(())
        }
    }
}

pub(crate) fn proxy_get_metric(host: &mut Host<'_>, id: u32, value_at: u32) -> Done {
    match plug_abi::tokens::metric_kind(id).ok_or(Status::BadArgument)? {
        MetricKind::Histogram => Err(Status::BadArgument),
        MetricKind::Counter | MetricKind::Gauge => {
            let value = host.guest.metrics.get(id).ok_or(Status::NotFound)?.value();
            host.write(value_at, &value.to_le_bytes())
        }
    }
}
