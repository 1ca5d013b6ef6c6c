//! What guests get: a clock, randomness, an environment, standard output and error as a log, and an end.

use std::time::{Duration, SystemTime};

use plug_abi::{LogLevel, WasiModule};
use plug_host::FaultKind;
use serde_json::json;

use super::{AREA, BADF, FAULT, INVAL, NOTSUP, NOWHERE, SUCCESS, call, call_in};
use crate::guests::load_text;
use crate::session::{play_module, spec};

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

mod args_sizes_get {
    use super::*;

    #[test]
    fn there_are_no_arguments() {
        let done = call_in(
            WasiModule::Preview1,
            "args_sizes_get",
            &[AREA, AREA + 4],
            r#"(data (i32.const 1024) "\ff\ff\ff\ff\ff\ff\ff\ff")"#,
        );
        assert_eq!((done.errno, u64_at(&done.area, 0)), (SUCCESS, 0));
        for nowhere in NOWHERE {
            assert_eq!(call("args_sizes_get", &[nowhere, AREA]).errno, FAULT);
        }
    }
}

mod args_get {
    use super::*;

    #[test]
    fn there_are_none_to_write() {
        let done = call("args_get", &[AREA, AREA]);
        assert_eq!((done.errno, done.area), (SUCCESS, vec![0; 64]));
    }
}

mod environ_sizes_get {
    use super::*;

    #[test]
    fn it_counts_variables_and_their_bytes() {
        let done = call("environ_sizes_get", &[AREA, AREA + 4]);
        assert_eq!(
            (done.errno, u32_at(&done.area, 0), u32_at(&done.area, 4)),
            (SUCCESS, 2, 14)
        );
        for nowhere in NOWHERE {
            assert_eq!(call("environ_sizes_get", &[AREA, nowhere]).errno, FAULT);
        }
    }
}

mod environ_get {
    use super::*;

    #[test]
    fn it_writes_places_and_texts() {
        let done = call("environ_get", &[AREA, AREA + 16]);
        assert_eq!(done.errno, SUCCESS);
        assert_eq!((u32_at(&done.area, 0), u32_at(&done.area, 4)), (1_040, 1_044));
        assert_eq!(&done.area[16..30], b"A=1\0KEY=value\0");
        for nowhere in NOWHERE {
            assert_eq!(call("environ_get", &[nowhere, AREA]).errno, FAULT);
            assert_eq!(call("environ_get", &[AREA, nowhere]).errno, FAULT);
        }
    }
}

mod clock_time_get {
    use super::*;

    #[test]
    fn there_is_wall_clock_time_and_a_clock_that_never_goes_back() {
        let now = |clock: i64| {
            let done = call("clock_time_get", &[clock, 0, AREA]);
            assert_eq!(done.errno, SUCCESS);
            u64_at(&done.area, 0)
        };
        let before = SystemTime::now();
        let told = SystemTime::UNIX_EPOCH + Duration::from_nanos(now(0));
        assert!(before <= told && told <= SystemTime::now());
        let monotonic = now(1);
        assert!(monotonic > 0 && now(1) > monotonic);
    }

    #[test]
    fn other_clocks_are_not_supported_and_places_outside_memory_a_fault() {
        assert_eq!(call("clock_time_get", &[2, 0, AREA]).errno, NOTSUP);
        for nowhere in NOWHERE {
            assert_eq!(call("clock_time_get", &[0, 0, nowhere]).errno, FAULT);
        }
    }
}

mod clock_res_get {
    use super::*;

    #[test]
    fn it_is_a_nanosecond() {
        let done = call("clock_res_get", &[0, AREA]);
        assert_eq!((done.errno, u64_at(&done.area, 0)), (SUCCESS, 1));
    }
}

mod random_get {
    use super::*;

    #[test]
    fn bytes_are_random_and_only_as_many_as_asked_for() {
        let (one, other) = (call("random_get", &[AREA, 32]), call("random_get", &[AREA, 32]));
        assert_eq!((one.errno, other.errno), (SUCCESS, SUCCESS));
        assert_ne!(one.area[..32], other.area[..32]);
        assert_eq!(one.area[32..], [0; 32]);
    }

    #[test]
    fn too_many_are_invalid_and_places_outside_memory_a_fault() {
        assert_eq!(call("random_get", &[AREA, 65_537]).errno, INVAL);
        assert_eq!(call("random_get", &[AREA, -1]).errno, INVAL);
        for nowhere in NOWHERE {
            assert_eq!(call("random_get", &[nowhere, 8]).errno, FAULT);
        }
    }
}

mod fd_write {
    use super::*;

    /// Two pieces at 2000: `one `, and `two\n`.
    const PIECES: &str = r#"
      (data (i32.const 3000) "one two\n")
      (data (i32.const 2000) "\b8\0b\00\00\04\00\00\00\bc\0b\00\00\04\00\00\00")"#;

    #[test]
    fn the_pieces_of_a_write_are_one_line_without_its_end() {
        for (descriptor, level) in [(1, LogLevel::Info), (2, LogLevel::Error)] {
            for module in [WasiModule::Preview1, WasiModule::Unstable] {
                let done = call_in(module, "fd_write", &[descriptor, 2_000, 2, AREA], PIECES);
                assert_eq!((done.errno, u32_at(&done.area, 0)), (SUCCESS, 8));
                assert_eq!(done.lines, [(level, "one two".to_owned())]);
            }
        }
    }

    #[test]
    fn nothing_else_is_open_and_nothing_outside_memory_is_read() {
        for descriptor in [0, 3, -1] {
            assert_eq!(call("fd_write", &[descriptor, 2_000, 1, AREA]).errno, BADF);
        }
        for nowhere in NOWHERE {
            assert_eq!(call("fd_write", &[1, nowhere, 1, AREA]).errno, FAULT);
            assert_eq!(call("fd_write", &[1, 2_000, 0, nowhere]).errno, FAULT);
        }
        assert_eq!(call("fd_write", &[1, 2_000, -1, AREA]).errno, INVAL);
        let outside = r#"(data (i32.const 2000) "\ff\ff\00\00\04\00\00\00")"#;
        assert_eq!(
            call_in(WasiModule::Preview1, "fd_write", &[1, 2_000, 1, AREA], outside).errno,
            FAULT
        );
    }

    #[test]
    fn writing_nothing_is_no_line() {
        let done = call("fd_write", &[1, 2_000, 0, AREA]);
        assert_eq!((done.errno, done.lines), (SUCCESS, vec![]));
    }
}

mod fd_fdstat_get {
    use super::*;

    #[test]
    fn standard_output_and_error_may_be_written() {
        for descriptor in [1, 2] {
            let done = call("fd_fdstat_get", &[descriptor, AREA]);
            assert_eq!((done.errno, u64_at(&done.area, 8)), (SUCCESS, 64));
        }
        for descriptor in [0, 3] {
            assert_eq!(call("fd_fdstat_get", &[descriptor, AREA]).errno, BADF);
        }
        for nowhere in NOWHERE {
            assert_eq!(call("fd_fdstat_get", &[1, nowhere]).errno, FAULT);
        }
    }
}

mod poll_oneoff {
    use super::*;

    #[test]
    fn nothing_is_ready_and_nobody_waits() {
        let done = call_in(
            WasiModule::Preview1,
            "poll_oneoff",
            &[AREA, AREA, 1, AREA],
            r#"(data (i32.const 1024) "\01\01\01\01")"#,
        );
        assert_eq!((done.errno, u32_at(&done.area, 0)), (SUCCESS, 0));
        for nowhere in NOWHERE {
            assert_eq!(call("poll_oneoff", &[AREA, AREA, 1, nowhere]).errno, FAULT);
        }
    }
}

mod sched_yield {
    use super::*;

    #[test]
    fn the_host_gives_way_by_itself() {
        assert_eq!(call("sched_yield", &[]).errno, SUCCESS);
    }
}

mod proc_exit {
    use super::*;

    fn exits(module: WasiModule, code: i32) -> FaultKind {
        let text = format!(
            r#"(module
              (import "{}" "proc_exit" (func $exit (param i32)))
              (memory (export "memory") 1)
              (func (export "proxy_abi_version_0_2_1"))
              (func (export "malloc") (param i32) (result i32) (i32.const 4096))
              (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (call $exit (i32.const {code})) (i32.const 0)))"#,
            module.name()
        );
        play_module(load_text(&text), spec(&json!({})), async |session| {
            session.start().await;
            session.open().await.request_headers(true).await.unwrap_err().kind
        })
    }

    #[test]
    fn the_instance_ends_there() {
        for module in [WasiModule::Preview1, WasiModule::Unstable] {
            for code in [0, 255, -1] {
                let FaultKind::Exit(told) = exits(module, code) else {
                    panic!()
                };
                assert_eq!(told, code);
            }
        }
    }
}
