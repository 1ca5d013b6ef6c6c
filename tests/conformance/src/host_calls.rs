//! Host calls, by family; the cases of a row are in a module of its name.

mod log;
mod time;
mod buffer;
mod map;
mod local_response;
mod http_call;
mod grpc_call;
mod shared;
mod metric;
mod property;
mod foreign;
mod context;
mod stream;
mod higress;
mod legacy;
