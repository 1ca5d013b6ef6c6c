//! Foreign functions for CEL expressions, as in Envoy: a plugin gives a text, and evaluates it in as many exchanges as it likes.

use bytes::Bytes;
use plug_abi::Status;

use crate::calls::property::Found;
use crate::calls::{Value, property};
use crate::expression::Expression;
use crate::guest::Host;

/// `expr_create`: takes the text, gives a token for it.
pub(crate) fn create(host: &mut Host<'_>, text: &Bytes) -> Value {
    let root = host.guest.root_id().ok_or(Status::InternalFailure)?;
    let text = std::str::from_utf8(text).map_err(|_| Status::BadArgument)?;
    let expression = Expression::parse(text).ok_or(Status::BadArgument)?;
    let token = host.guest.expressions.keep(root, expression);
    let token = token.ok_or(Status::InternalFailure)?;
    Ok(Bytes::copy_from_slice(&token.to_le_bytes()))
}

/// `expr_evaluate`: takes a token, gives the value as `proxy_get_property` would.
pub(crate) fn evaluate(host: &mut Host<'_>, token: &Bytes) -> Value {
    let root = host.guest.root_id().ok_or(Status::InternalFailure)?;
    let expression = host.guest.expressions.get(root, number(token)?);
    let expression = expression.ok_or(Status::NotFound)?;
    expression.evaluate(&|path| match host.guest.may_evaluate(path) {
        true => property::find(host.guest, path),
        false => Found::Absent,
    })
}

/// `expr_delete`: takes a token; it does not matter whether it is known.
pub(crate) fn delete(host: &mut Host<'_>, token: &Bytes) -> Value {
    let root = host.guest.root_id().ok_or(Status::InternalFailure)?;
    host.guest.expressions.remove(root, number(token)?);
    Ok(Bytes::new())
}

fn number(token: &Bytes) -> Result<u32, Status> {
    let token = token.as_ref().try_into().map_err(|_| Status::BadArgument)?;
    Ok(u32::from_le_bytes(token))
}
