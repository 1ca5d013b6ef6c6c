//! The probe for ABI 0.2.0.

use probe::calls::{COMMON, SINCE_020};
use probe::guest;

guest!(proxy_abi_version_0_2_0, &[COMMON, SINCE_020], headers(end));
