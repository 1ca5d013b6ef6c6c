//! Values between properties and CEL, and what they weigh.

use std::collections::HashMap;

use bytes::Bytes;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelString, CelTimestamp, CelUInt,
};
use cel::common::value::Val;
use chrono::{DateTime, TimeDelta};
use plug_abi::property::PropertyValue;

use crate::calls::property::Found;

/// What an element of a list or map weighs beside its bytes.
const ELEMENT_BYTES: u64 = 64;

/// What was found, for CEL; none when it has no value.
pub(super) fn of_found(found: &Found) -> Option<Box<dyn Val + '_>> {
    match found {
        Found::Known(value) => Some(of_property(value)),
        // Envoy's type for what plugins set, unless they declare another.
        Found::Set(bytes) => Some(Box::new(CelBytes::from(bytes.as_ref()))),
        Found::Parts | Found::Absent => None,
    }
}

fn of_property(value: &PropertyValue) -> Box<dyn Val + '_> {
    match value {
        PropertyValue::Bytes(bytes) => of_bytes(bytes),
        PropertyValue::Int(number) => Box::new(CelInt::from(*number)),
        PropertyValue::Uint(number) => Box::new(CelUInt::from(*number)),
        PropertyValue::Double(number) => Box::new(CelDouble::from(*number)),
        PropertyValue::Bool(truth) => Box::new(CelBool::from(*truth)),
        PropertyValue::Timestamp(nanoseconds) => Box::new(CelTimestamp::from(
            DateTime::from_timestamp_nanos(*nanoseconds).fixed_offset(),
        )),
        PropertyValue::Duration(nanoseconds) => Box::new(CelDuration::from(TimeDelta::nanoseconds(*nanoseconds))),
        PropertyValue::Map(entries) => {
            let entries = entries.iter().filter_map(|(key, value)| {
                let key = std::str::from_utf8(key).ok()?;
                Some((CelMapKey::from(key), of_bytes(value)))
            });
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
        PropertyValue::List(elements) => Box::new(CelList::from(elements.iter().map(of_bytes).collect::<Vec<_>>())),
    }
}

/// Text, unless it is none: Envoy's texts may be any bytes, CEL's may not.
fn of_bytes(bytes: &Bytes) -> Box<dyn Val + '_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Box::new(CelString::from(text)),
        Err(_) => Box::new(CelBytes::from(bytes.as_ref())),
    }
}

/// A result as a property; none when Envoy cannot write it either: nothing, and types.
pub(super) fn to_property(value: &(dyn Val + '_)) -> Option<PropertyValue> {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return Some(PropertyValue::text(text.inner()));
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return Some(PropertyValue::Bytes(Bytes::copy_from_slice(bytes.inner())));
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        let elements = list.inner().iter().map(|element| encoded(&**element));
        return elements.collect::<Option<_>>().map(PropertyValue::List);
    }
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let entries = map.inner().iter();
        let entries = entries.map(|(key, value)| Some((encoded(key.inner())?, encoded(&**value)?)));
        return entries.collect::<Option<_>>().map(PropertyValue::Map);
    }
    number(value)
}

fn encoded(value: &(dyn Val + '_)) -> Option<Bytes> {
    Some(to_property(value)?.encode())
}

fn number(value: &(dyn Val + '_)) -> Option<PropertyValue> {
    if let Some(truth) = value.downcast_ref::<CelBool>() {
        return Some(PropertyValue::Bool(*truth.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Some(PropertyValue::Int(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Some(PropertyValue::Uint(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return Some(PropertyValue::Double(*number.inner()));
    }
    if let Some(duration) = value.downcast_ref::<CelDuration>() {
        return duration.inner().num_nanoseconds().map(PropertyValue::Duration);
    }
    let moment = value.downcast_ref::<CelTimestamp>()?.inner();
    // Outside of 1677 to 2262 the nearest, as Envoy.
    let nearest = if moment.timestamp() < 0 { i64::MIN } else { i64::MAX };
    Some(PropertyValue::Timestamp(
        moment.timestamp_nanos_opt().unwrap_or(nearest),
    ))
}

/// What a value weighs in bytes. Finding out takes as long as it says.
pub(super) fn weight(value: &(dyn Val + '_)) -> u64 {
    let size = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        return size(text.inner().len());
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return size(bytes.inner().len());
    }
    let element = |value: &(dyn Val + '_)| weight(value).saturating_add(ELEMENT_BYTES);
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return list
            .inner()
            .iter()
            .map(|value| element(&**value))
            .fold(0, u64::saturating_add);
    }
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let entries = map.inner().iter();
        return entries
            .flat_map(|(key, value)| [element(key.inner()), element(&**value)])
            .fold(0, u64::saturating_add);
    }
    0
}
