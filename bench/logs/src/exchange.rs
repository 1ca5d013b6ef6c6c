//! The exchanges that records are about: ten fields beside time, level and message, the same for every logger; and the ones with much that somebody sent.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How many different ones there are.
pub(crate) const COUNT: usize = 256;

/// What is written down of one.
pub(crate) struct Exchange {
    pub(crate) request_id: String,
    pub(crate) client: IpAddr,
    pub(crate) client_text: String,
    pub(crate) method: &'static str,
    pub(crate) authority: &'static str,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) protocol: &'static str,
    pub(crate) status: u64,
    pub(crate) response_bytes: u64,
    pub(crate) duration: Duration,
    pub(crate) user_agent: String,
}

/// Of which every fourth has a mobile number in its path.
pub(crate) fn usual() -> Vec<Exchange> {
    (0..COUNT).map(|number| exchange(number, String::new())).collect()
}

/// The same with a query, so that a client sent about 400 bytes.
pub(crate) fn long() -> Vec<Exchange> {
    let query = |number: usize| {
        format!(
            "page={}&sort=created&session=a81f{number:04x}&campaign=autumn-sale&lang=en&columns=name,price,stock,vendor&ref=newsletter-{number}&tracking=utm-{:016x}&filter=colour:blue,size:large,brand:cofferdam",
            number % 40,
            number * 7_919,
        )
    };
    (0..COUNT).map(|number| exchange(number, query(number))).collect()
}

fn exchange(number: usize, query: String) -> Exchange {
    let last = u8::try_from(number % 256).unwrap_or(0);
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let what = if number.is_multiple_of(4) {
        format!("customers/138{:08}", 12_345_678 + number)
    } else {
        format!("customers/c-{number:05}/orders")
    };
    Exchange {
        request_id: format!("4f1c2a80-77aa-4e1b-9d35-0b6e9c{number:06x}"),
        client,
        client_text: client.to_string(),
        method: "GET",
        authority: "shop.example.com",
        path: format!("/api/v2/{what}"),
        query,
        protocol: "1.1",
        status: if number % 50 == 7 { 404 } else { 200 },
        response_bytes: 512 + number as u64 * 3,
        duration: Duration::from_micros(1_500 + number as u64),
        user_agent: String::from(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
        ),
    }
}

impl Exchange {
    /// Bytes that somebody sent.
    pub(crate) fn sent_bytes(&self) -> usize {
        let texts = [&self.request_id, &self.path, &self.query, &self.user_agent];
        texts.iter().map(|text| text.len()).sum::<usize>() + self.method.len() + self.authority.len()
    }

    pub(crate) fn duration_ms(&self) -> f64 {
        self.duration.as_secs_f64() * 1e3
    }
}
