//! `ws serve --demo`: a page that shows a device's readings, and the device.
//!
//! | path | plain GET | WebSocket |
//! | --- | --- | --- |
//! | `/` | the page, [`page`] with [`HEADERS`] | as without `--demo` |
//! | [`PATH`] | 404 or 426 | [`SUBPROTOCOL`], described below |
//! | any other | as without `--demo` | as without `--demo` |
//!
//! # readings.v1
//!
//! The page offers this subprotocol alone. A server must select it: a browser fails the connection
//! of a page whose offer was not taken. On [`PATH`], a client that offers only others is connected
//! without a subprotocol and left to decide that itself.
//!
//! From the device, text messages of one JSON object each:
//!
//! | message | when |
//! | --- | --- |
//! | `{"device":"ws 0.1.0","t":8123,"ms":500,"binary":false,"led":false}` | first: its name and what is in force |
//! | `{"t":8500,"temp":22.91,"load":0.35,"mem":4915200,"led":false}` | a reading, every `ms` milliseconds |
//! | `{"ack":"led","led":true}` | after a command: what is now in force |
//! | `{"nak":"unknown variant …"}` | after what is no command |
//! | `{"ping":0.41}` | after each Pong: milliseconds that the device's own Ping took |
//!
//! `t` is the device's clock in milliseconds, 32 bits that wrap; `temp` is in °C, `load` in percent
//! of a processor and `mem` in bytes; a `load` or `mem` below zero is unknown. A field that a page
//! does not know it ignores.
//!
//! A reading can come as a binary message of 13 bytes instead, big-endian:
//!
//! | bytes | type | what |
//! | --- | --- | --- |
//! | 0–3 | u32 | `t` |
//! | 4–5 | i16 | `temp` in hundredths |
//! | 6–7 | i16 | `load` in hundredths |
//! | 8–11 | i32 | `mem` |
//! | 12 | u8 | `led`, 0 or 1 |
//!
//! From the page, text messages of one JSON object and at most 256 bytes each:
//!
//! | command | acknowledged by |
//! | --- | --- |
//! | `{"cmd":"led","on":true}` | `{"ack":"led","led":true}` |
//! | `{"cmd":"rate","ms":200}` | `{"ack":"rate","ms":200}`, within 50 to 2000 |
//! | `{"cmd":"binary","on":true}` | `{"ack":"binary","binary":true}` |
//! | `{"cmd":"echo","n":7}` | `{"ack":"echo","n":7}` |
//!
//! The rate and the form are each page's own; the LED is there once for all, and the other pages
//! learn of it by their next reading. A page cannot send a Ping: it measures the round trip by an
//! echo each second, and takes a device for gone that has said nothing for six seconds.
//!
//! # The page
//!
//! One file that needs no other, the same for firmware: with its compressed copy it is at most
//! 12,000 bytes. After a change: `gzip -9nkf page.html`.

mod readings;
mod vitals;

pub(crate) use readings::{Device, Message, Viewer, ping};
pub(crate) use vitals::Meter;

/// Where the page's WebSocket is.
pub(crate) const PATH: &str = "/readings";

/// What the page offers and the device speaks.
pub(crate) const SUBPROTOCOL: &str = "readings.v1";

/// What goes with the page, besides its length and, for the compressed copy,
/// `Content-Encoding: gzip`. Nothing is loaded from elsewhere, and no site can frame it.
pub(crate) const HEADERS: &[(&str, &str)] = &[
    ("Content-Type", "text/html; charset=utf-8"),
    ("Vary", "Accept-Encoding"),
    ("Cache-Control", "no-cache"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
         img-src data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'",
    ),
];

const PAGE: &[u8] = include_bytes!("page.html");
const PAGE_GZ: &[u8] = include_bytes!("page.html.gz");

/// The page, compressed if the browser takes that.
pub(crate) fn page(gzip: bool) -> &'static [u8] {
    if gzip { PAGE_GZ } else { PAGE }
}

/// Does this value of `Accept-Encoding` take gzip?
pub(crate) fn takes_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = |weight: &str| {
            let digits = weight.strip_prefix("q=").or(weight.strip_prefix("Q="));
            digits.is_some_and(|digits| digits.parse() == Ok(0.0))
        };
        named && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_with_its_compressed_copy_keeps_to_its_budget() {
        let bytes = PAGE.len() + PAGE_GZ.len();
        assert!(bytes <= 12_000, "{bytes} bytes");
    }

    /// A gzip file ends with the checksum and the length of what it holds.
    #[test]
    fn the_compressed_copy_is_that_of_the_page() {
        let mut crc = u32::MAX;
        for byte in PAGE {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
            }
        }
        let length = u32::try_from(PAGE.len()).unwrap();
        let mut end = (!crc).to_le_bytes().to_vec();
        end.extend(length.to_le_bytes());
        assert!(PAGE_GZ.starts_with(&[0x1f, 0x8b, 8]));
        assert!(
            PAGE_GZ.ends_with(&end),
            "page.html has changed; run: gzip -9nkf page.html"
        );
    }

    #[test]
    fn the_page_names_the_path_and_the_subprotocol_and_no_host() {
        let page = std::str::from_utf8(PAGE).unwrap();
        assert!(page.contains("new URL('readings', location)"));
        assert!(page.contains("new WebSocket(url, 'readings.v1')"));
        assert!(!page.contains("://"));
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for yes in ["gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.5"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip; q=0.000, br",
            "xgzip",
        ] {
            assert!(!takes_gzip(no), "{no}");
        }
    }
}
