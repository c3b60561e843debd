//! All addresses of a host, where the stack can tell more than one.

use core::net::IpAddr;

use embedded_nal::{TcpClientStack, nb};

/// A stack that knows all addresses of a name, and its interfaces:
/// [`embedded_nal::Dns`] tells one address of a family, and nothing of zones.
pub trait Addresses: TcpClientStack {
    /// Adds the addresses of `hostname` to `found`, in the order in which they are to be tried.
    ///
    /// `WouldBlock` while more may come: to be called again with the same `found`. What is there
    /// already may be used.
    ///
    /// # Errors
    /// No more will come. What is in `found` may be used all the same.
    fn get_addresses(
        &mut self,
        hostname: &str,
        found: &mut AddressList,
    ) -> nb::Result<(), Self::Error>;

    /// The scope id of the zone in an IPv6 address (RFC 4007 section 11.2): the number of an
    /// interface by its name. `None` where there is none of that name. Numbers need not be asked
    /// for.
    fn scope_id(&mut self, zone: &str) -> Option<u32> {
        let _ = zone;
        None
    }
}

/// Up to [`CAPACITY`](Self::CAPACITY) addresses, in the order in which they are to be tried.
#[derive(Debug, Clone)]
pub struct AddressList {
    addresses: [IpAddr; Self::CAPACITY],
    len: usize,
    /// How many questions have been answered, for the stack.
    #[cfg(feature = "smoltcp")]
    pub(super) answered: u8,
}

impl AddressList {
    /// How many there is room for.
    pub const CAPACITY: usize = 8;

    /// None.
    pub const fn new() -> Self {
        let none = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
        Self {
            addresses: [none; Self::CAPACITY],
            len: 0,
            #[cfg(feature = "smoltcp")]
            answered: 0,
        }
    }

    /// Adds one after the others, if it is new and there is room.
    pub fn push(&mut self, address: IpAddr) {
        if !self.as_slice().contains(&address)
            && let Some(place) = self.addresses.get_mut(self.len)
        {
            *place = address;
            self.len += 1;
        }
    }

    /// Those that are there.
    pub fn as_slice(&self) -> &[IpAddr] {
        self.addresses.get(..self.len).unwrap_or_default()
    }
}

impl Default for AddressList {
    fn default() -> Self {
        Self::new()
    }
}
