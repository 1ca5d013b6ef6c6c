//! The probe for ABI 0.2.1.

use probe::calls::{COMMON, SINCE_020, SINCE_021};
use probe::guest;

guest!(proxy_abi_version_0_2_1, &[COMMON, SINCE_020, SINCE_021], headers(end));
