//! Files that are no module, or half of one.

use super::*;

/// What is said of a file, without the first line, which is always the same.
fn said(bytes: &[u8]) -> String {
    let fault = audit(bytes).unwrap_err().to_string();
    fault.lines().skip(1).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_of_another_kind_is_named() {
    let mut tar = vec![b'x'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let files: [&[u8]; 17] = [
        b"",
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"\x28\xb5\x2f\xfd....",
        b"PK\x03\x04....",
        &tar,
        b"\x7fELF\x02\x01\x01",
        b"\xcf\xfa\xed\xfe....",
        b"MZ\x90\0",
        b"!<arch>\nlib.o",
        b"BC\xc0\xde....",
        b"  (module\n (memory 1))",
        b"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"}",
        b"{\"error\":\"unauthorized\"}",
        b"<!DOCTYPE html><title>Sign in</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        b"hello",
    ];
    let all: Vec<String> = files.iter().map(|file| said(file)).collect();
    expect![[r#"
        - the file is no WebAssembly module: it is empty (module.not_wasm)
          hint: the build or the download that should have written it failed
        - the file is no WebAssembly module: it is a gzip archive (module.not_wasm)
          hint: a layer of an OCI image is packed like this: give the image as `oci` source, or unpack the file
        - the file is no WebAssembly module: it is a zstd archive (module.not_wasm)
          hint: unpack it and name the `.wasm` within
        - the file is no WebAssembly module: it is a zip archive (module.not_wasm)
          hint: unpack it and name the `.wasm` within
        - the file is no WebAssembly module: it is a tar archive (module.not_wasm)
          hint: a layer of an OCI image is packed like this: give the image as `oci` source, or unpack the file
        - the file is no WebAssembly module: it is native code (ELF) (module.not_wasm)
          hint: build for `wasm32-wasip1` instead of this machine; a module that was compiled beforehand (`.cwasm`) is never loaded
        - the file is no WebAssembly module: it is native code (Mach-O) (module.not_wasm)
          hint: build for `wasm32-wasip1` instead of this machine
        - the file is no WebAssembly module: it is native code (Windows) (module.not_wasm)
          hint: build for `wasm32-wasip1` instead of this machine
        - the file is no WebAssembly module: it is a static library (module.not_wasm)
          hint: link it: in Rust, `crate-type = ["cdylib"]`
        - the file is no WebAssembly module: it is LLVM bitcode (module.not_wasm)
          hint: link it: with Clang, leave out `-c` or `-emit-llvm`
        - the file is no WebAssembly module: it is WebAssembly text (module.not_wasm)
          hint: translate it with `wat2wasm` or `wasm-tools parse`
        - the file is no WebAssembly module: it is an OCI manifest (module.not_wasm)
          hint: the module is a layer that this manifest names: give the image as `oci` source
        - the file is no WebAssembly module: it is JSON (module.not_wasm)
          hint: a server may have answered with an error or a login page: look into the file
        - the file is no WebAssembly module: it is a web page (module.not_wasm)
          hint: a server may have answered with an error or a login page: look into the file
        - the file is no WebAssembly module: it is a Git LFS pointer (module.not_wasm)
          hint: run `git lfs pull`
        - the file is no WebAssembly module: it begins with the bytes ff d8 ff e0 00 10 4a 46 (module.not_wasm)
          hint: a module begins with the bytes 00 61 73 6d
        - the file is no WebAssembly module: it begins with the bytes 68 65 6c 6c 6f (module.not_wasm)
          hint: a module begins with the bytes 00 61 73 6d"#]].assert_eq(&all.join("\n"));
}

#[test]
fn a_component_is_named() {
    let component = wat::parse_str("(component)").unwrap();
    check_refused(
        &component,
        &expect![[r#"
        the module was refused
        - the file is a WebAssembly component, and Proxy-Wasm knows only modules (module.component)
          hint: build for `wasm32-wasip1`, not `wasm32-wasip2`, and leave out `wasm-tools component new`"#]],
    );
}

#[test]
fn another_version_of_the_format_is_named() {
    check_refused(
        b"\0asm\x02\0\0\0",
        &expect![[r#"
        the module was refused
        - the file is of version 2 of WebAssembly's format, and only 1 is known (module.version)"#]],
    );
}

#[test]
fn a_module_that_was_cut_off_says_where() {
    let whole = plugin("");
    check_refused(
        &whole[..whole.len() - 3],
        &expect![[r#"
        the module was refused
        - the file ends 3 bytes before the end of its code section (module.truncated)
          hint: copy or download it again, and compare its SHA-256"#]],
    );
    check_refused(
        &whole[..6],
        &expect![[r#"
            the module was refused
            - the file ends 2 bytes before the end of its header (module.truncated)
              hint: copy or download it again, and compare its SHA-256"#]],
    );
}

#[test]
fn every_cut_is_refused_and_most_are_called_truncation() {
    let whole = plugin("");
    let truncated = (1..whole.len()).filter(|end| {
        let fault = audit(&whole[..*end]).unwrap_err();
        fault.code() == "module.truncated"
    });
    // A cut between two sections cannot be told from a shorter module, and before the eighth byte it is not even one.
    assert!(truncated.count() > whole.len() - 16);
}

#[test]
fn a_module_that_is_too_large_is_not_read() {
    let mut bytes = plugin("");
    bytes.resize(MODULE_BYTES_MAX + 1, 0);
    check_refused(
        &bytes,
        &expect![[r#"
        the module was refused
        - the file has 67108865 bytes, more than the 67108864 that are allowed (module.too_large)"#]],
    );
}

#[test]
fn an_invalid_module_says_where_and_why() {
    let bytes = plugin("(func (result i32) i64.const 1)");
    check_refused(
        &bytes,
        &expect![[r#"
        the module was refused
        - the module is not valid at byte 0x8d: type mismatch: expected i32, found i64 (module.invalid)"#]],
    );
}

#[test]
fn bytes_that_were_compiled_before_are_not_validated_again() {
    let bytes = plugin("(func (result i32) i64.const 1)");
    assert!(audit_compiled(&bytes).is_ok());
}

#[test]
fn extensions_that_are_switched_off_are_named() {
    let modules = [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(memory 1) (memory 1)",
        "(type (struct (field i32)))",
        "(func (param externref))",
        "(tag)",
        "(memory (export \"memory\") 1 1 shared) (func i32.const 0 i32.const 0 i32.atomic.store)",
    ];
    let all: Vec<String> = modules.iter().map(|fields| said_first(&module(fields))).collect();
    expect![[r#"
        - the module needs an extension of WebAssembly that is switched off: threads must be enabled for shared memories (byte 0xb) (module.feature)
          hint: build without threads: no `-pthread`, `+atomics` or target `wasm32-wasip1-threads`
        - the module needs an extension of WebAssembly that is switched off: memory64 must be enabled for 64-bit memories (byte 0xb) (module.feature)
          hint: build for `wasm32`, not `wasm64`
        - the module is not valid at byte 0xa: multiple memories (module.invalid)
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
        - the module needs an extension of WebAssembly that is switched off: struct indexed types not supported without the gc feature (byte 0xb) (module.feature)
          hint: languages that need WebAssembly's garbage collector cannot be used; in C and Rust do without `externref`
        - the module needs an extension of WebAssembly that is switched off: gc types are disallowed but found type which requires gc (byte 0xb) (module.feature)
          hint: languages that need WebAssembly's garbage collector cannot be used; in C and Rust do without `externref`
        - the module needs an extension of WebAssembly that is switched off: exceptions proposal not enabled (byte 0x10) (module.feature)
          hint: build without WebAssembly exceptions: `-fno-exceptions`, or in Rust `panic = "abort"`
        - the module needs an extension of WebAssembly that is switched off: threads must be enabled for shared memories (byte 0x15) (module.feature)
          hint: build without threads: no `-pthread`, `+atomics` or target `wasm32-wasip1-threads`"#]].assert_eq(&all.join("\n"));
}

/// The first problem with its hint.
fn said_first(bytes: &[u8]) -> String {
    said(bytes).lines().take(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn extensions_that_toolchains_emit_pass() {
    let fields = r#"
        (table 1 funcref) (memory $other 0) (elem declare func $f) (data $d "x")
        (global i32 (i32.add (i32.const 1) (i32.const 2)))
        (func $f (result i32 i32) i32.const 1 i32.const 2)
        (func (result i32 i32) return_call $f)
        (func (result i32) f32.const 1 i32.trunc_sat_f32_s i32.extend8_s)
        (func (result v128) v128.const i32x4 1 2 3 4)
        (func (result funcref) ref.func $f)
    "#;
    let fields = fields.replace("(memory $other 0)", "");
    assert!(audit(&plugin(&fields)).is_ok());
}
