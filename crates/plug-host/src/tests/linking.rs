//! Every row of the tables can be imported, with each type that the table gives it.

use plug_abi::{HOST_CALLS, HOST_MODULE, HostCall, Signature, ValueType, WASI_CALLS, WasiModule};

use super::house::{House, engine, on_worker};
use super::wat::Wat;
use crate::calls::{OTHER_SHAPES, SHIM_HOST};

fn list(word: &str, types: &[ValueType]) -> String {
    let types: Vec<String> = types.iter().map(ValueType::to_string).collect();
    format!("({word} {})", types.join(" "))
}

fn signature(params: &[ValueType], results: &[ValueType]) -> String {
    format!("{} {}", list("param", params), list("result", results))
}

pub(crate) fn params(call: &HostCall) -> Vec<ValueType> {
    call.params.iter().map(|param| param.value_type).collect()
}

/// Loads and instantiates a guest that imports one function with this type.
fn link(module: &str, name: &str, params: &[ValueType], results: &[ValueType]) {
    let mut wat = Wat::new();
    if name == "proxy_log" {
        // Every guest of these tests imports it.
        assert_eq!(signature(params, results), "(param i32 i32 i32) (result i32)");
    } else {
        wat.import_from(module, name, &signature(params, results));
    }
    starts(&wat.build());
}

fn starts(bytes: &[u8]) {
    on_worker(async {
        House::of(bytes)
            .plugins
            .warm()
            .await
            .unwrap_or_else(|faults| panic!("{}", faults[0]));
    });
}

#[test]
fn every_host_call_links_in_its_standard_type_and_in_every_other_that_sdks_use() {
    for call in HOST_CALLS {
        link(HOST_MODULE, call.name, &params(call), call.results);
        for Signature { params, results } in call.shapes {
            link(HOST_MODULE, call.name, params, results);
        }
    }
}

#[test]
fn every_function_of_wasi_links_under_both_names() {
    for module in [WasiModule::Preview1, WasiModule::Unstable] {
        for call in WASI_CALLS {
            link(module.name(), call.name, call.params, call.results);
        }
    }
}

#[test]
fn nothing_is_defined_that_no_table_names() {
    on_worker(async {
        let house = House::of(&Wat::new().build());
        house.warm().await;
        let instance = house.plugins.instance("guest");
        let mut turn = instance.turn().await;
        let store = turn.as_mut().unwrap();
        for (module, name, _) in engine().linker.iter(store) {
            let call = plug_abi::host_call(name);
            let known = match module {
                HOST_MODULE => call.is_some_and(|call| !call.allocates),
                OTHER_SHAPES => call.is_some_and(|call| !call.shapes.is_empty()),
                SHIM_HOST => matches!(name, "deliver" | "enter") || call.is_some_and(|call| call.allocates),
                _ => WasiModule::from_name(module).is_some() && plug_abi::wasi_call(name).is_some(),
            };
            assert!(known, "{module}.{name}");
        }
    });
}

#[test]
fn the_hosts_own_functions_cannot_be_imported() {
    for (module, name, signature) in [
        (SHIM_HOST, "deliver", "(param i32) (result i32)"),
        (SHIM_HOST, "enter", "(param i32)"),
        (OTHER_SHAPES, "proxy_continue_request", "(result i32)"),
    ] {
        let mut wat = Wat::new();
        wat.import_from(module, name, signature);
        assert!(
            crate::Module::load(&engine(), &wat.build(), None).is_err(),
            "{module}.{name}"
        );
    }
}

#[test]
fn a_function_imported_twice_links_twice_as_go_does() {
    let twice = r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_get_property" (func (param i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_get_property" (func (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "proxy_abi_version_0_2_1"))
      (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)))"#;
    starts(&::wat::parse_str(twice).unwrap());
}
