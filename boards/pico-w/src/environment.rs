//! What the build is told by its environment.

/// A network, as a build names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its name (SSID).
    pub name: &'static str,
    /// Its passphrase; empty for an open network.
    pub password: &'static str,
}

impl Network {
    /// Checks what can be checked of it, at compile time.
    ///
    /// # Panics
    /// Where no network can be like that.
    pub const fn new(name: &'static str, password: &'static str) -> Self {
        let length = name.len();
        assert!(0 < length && length <= 32, "WIFI_SSID has 1 to 32 bytes");
        let length = password.len();
        assert!(
            length == 0 || (8 <= length && length <= 63),
            "WIFI_PASSWORD has 8 to 63 characters, or none for an open network"
        );
        Self { name, password }
    }
}

/// The URL of a server, if this firmware can connect to it: it has no TLS.
///
/// # Panics
/// Where it does not begin with `ws://`.
pub const fn plain_url(url: &'static str) -> &'static str {
    let begins = matches!(
        url.as_bytes(),
        [b'w' | b'W', b's' | b'S', b':', b'/', b'/', _, ..]
    );
    assert!(
        begins,
        "WS_URL begins with ws://, as in ws://192.168.0.2:8080/path"
    );
    url
}

/// The value of an environment variable of the build; without it there is no build.
#[macro_export]
macro_rules! from_environment {
    ($name:literal, $what:literal) => {
        match option_env!($name) {
            Some(value) => value,
            None => panic!(concat!(
                "the environment variable ",
                $name,
                " is not set: set it to ",
                $what,
                ", then build again"
            )),
        }
    };
}

/// The network in `WIFI_SSID` and `WIFI_PASSWORD`.
#[macro_export]
macro_rules! network_from_environment {
    () => {
        $crate::environment::Network::new(
            $crate::from_environment!("WIFI_SSID", "the name of the Wi-Fi network"),
            $crate::from_environment!(
                "WIFI_PASSWORD",
                "its password, or to nothing for an open network"
            ),
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn networks_that_can_be() {
        for (name, password) in [
            ("n", ""),
            ("a name of just thirty-two bytes.", "12345678"),
            ("home", "a password of 8 to 63 characters"),
        ] {
            assert_eq!(Network::new(name, password).name, name);
        }
        let long: &str = "a name that has more than thirty-two bytes";
        for (name, password) in [("", "12345678"), (long, "12345678"), ("home", "1234567")] {
            assert!(catch_unwind(|| Network::new(name, password)).is_err());
        }
    }

    #[test]
    fn urls_without_tls() {
        for url in ["ws://device.local/path", "WS://10.0.0.1:8080"] {
            assert_eq!(plain_url(url), url);
        }
        for url in ["wss://example.com/", "http://example.com/", "ws://", ""] {
            assert!(catch_unwind(|| plain_url(url)).is_err(), "{url}");
        }
    }
}
