//! Return values of callbacks, as each version means them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

#[test]
fn a_header_pause_is_widened_except_in_higress() {
    for abi in [Abi::V0_1_0, Abi::V0_2_0, Abi::V0_2_1] {
        assert_eq!(
            HeadersAction::from_guest(1, abi, None),
            HeadersAction::StopAllIterationAndWatermark
        );
    }
    assert_eq!(
        HeadersAction::from_guest(1, Abi::V0_2_100, None),
        HeadersAction::StopIteration
    );
}

#[test]
fn the_configuration_wins_over_the_version() {
    assert_eq!(
        HeadersAction::from_guest(1, Abi::V0_2_1, Some(true)),
        HeadersAction::StopIteration
    );
    assert_eq!(
        HeadersAction::from_guest(1, Abi::V0_2_100, Some(false)),
        HeadersAction::StopAllIterationAndWatermark
    );
}

#[test]
fn the_numbers_are_envoys() {
    let headers: Vec<HeadersAction> = (0..7)
        .map(|code| HeadersAction::from_guest(code, Abi::V0_2_100, None))
        .collect();
    assert_eq!(
        headers,
        [
            HeadersAction::Continue,
            HeadersAction::StopIteration,
            HeadersAction::ContinueAndEndStream,
            HeadersAction::StopAllIterationAndBuffer,
            HeadersAction::StopAllIterationAndWatermark,
            HeadersAction::StopAllIterationAndWatermark,
            HeadersAction::StopAllIterationAndWatermark,
        ]
    );
    let body: Vec<BodyAction> = (0..5).map(BodyAction::from_guest).collect();
    assert_eq!(
        body,
        [
            BodyAction::Continue,
            BodyAction::StopIterationAndBuffer,
            BodyAction::StopIterationAndWatermark,
            BodyAction::StopIterationNoBuffer,
            BodyAction::StopIterationNoBuffer,
        ]
    );
    assert_eq!(TrailersAction::from_guest(0), TrailersAction::Continue);
    assert_eq!(TrailersAction::from_guest(u32::MAX), TrailersAction::StopIteration);
    assert_eq!(StreamAction::from_guest(0), StreamAction::Continue);
    assert_eq!(StreamAction::from_guest(1), StreamAction::StopIteration);
}
