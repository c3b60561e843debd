//! `Dns` by smoltcp's DNS socket.

use core::net::IpAddr;

use embedded_nal::{AddrType, Dns};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::Device;
use smoltcp::socket::dns::{self, GetQueryResultError, QueryHandle, StartQueryError};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{DnsQueryType, IpCidr};

use super::{SmoltcpError, SmoltcpStack};
use crate::stack::{AddressList, Addresses};

/// A lookup nobody has asked about for so long is taken for given up, and its answer for old.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The lookup under way.
pub(super) struct Lookup {
    query: QueryHandle,
    record: DnsQueryType,
    wanted: AddrType,
    /// Stands for the name. A wrong match would need a caller who leaves one lookup in mid-air
    /// and asks for another name that has the same 64 bits under this start's random seed.
    name: u64,
    asked: Instant,
}

impl<'a, D: Device, const N: usize> SmoltcpStack<'a, D, N> {
    /// Ends the lookup under way, if any, and frees its place in the DNS socket. Needed only when
    /// somebody else uses the same DNS socket: asking for another name does it too.
    pub fn cancel_lookup(&mut self) {
        if let (Some(lookup), Some(handle)) = (self.lookup.take(), self.dns) {
            self.sockets
                .get_mut::<dns::Socket<'a>>(handle)
                .cancel_query(lookup.query);
        }
    }

    fn start_lookup(
        &mut self,
        handle: SocketHandle,
        hostname: &str,
        record: DnsQueryType,
        wanted: &AddrType,
    ) -> Result<(), SmoltcpError> {
        let socket = self.sockets.get_mut::<dns::Socket<'a>>(handle);
        let query = socket.start_query(self.iface.context(), hostname, record);
        let query = query.map_err(|error| match error {
            StartQueryError::NoFreeSlot => SmoltcpError::DnsBusy,
            StartQueryError::InvalidName | StartQueryError::NameTooLong => {
                SmoltcpError::InvalidName
            }
        })?;
        let name = digest(hostname, self.seed);
        let wanted = wanted.clone();
        self.lookup = Some(Lookup {
            query,
            record,
            wanted,
            name,
            asked: self.now,
        });
        Ok(())
    }

    /// Which record to ask for first when either will do: one the interface could connect to.
    fn first_record(&self, wanted: &AddrType) -> DnsQueryType {
        let addrs = self.iface.ip_addrs();
        let only_v6 = !addrs.is_empty() && !addrs.iter().any(|a| matches!(a, IpCidr::Ipv4(_)));
        match wanted {
            AddrType::IPv4 => DnsQueryType::A,
            AddrType::IPv6 => DnsQueryType::Aaaa,
            AddrType::Either if only_v6 => DnsQueryType::Aaaa,
            AddrType::Either => DnsQueryType::A,
        }
    }
}

impl<'a, D: Device, const N: usize> Dns for SmoltcpStack<'a, D, N> {
    type Error = SmoltcpError;

    /// Looks a name up, or tells how the lookup under way is doing. A numeric address, an IPv6 one
    /// with or without brackets, is answered at once.
    ///
    /// `WouldBlock` until the DNS server has answered; smoltcp asks each server for ten seconds.
    /// There is one lookup at a time: asking for another name or type cancels the former. With
    /// [`AddrType::Either`] the IPv4 address is looked up first and the IPv6 address if there is
    /// none, except on an interface that has IPv6 addresses only.
    ///
    /// # Errors
    ///
    /// [`SmoltcpError::NameNotFound`] also stands for a server that did not answer, and for a
    /// numeric address of the wrong type; [`SmoltcpError::InvalidName`],
    /// [`SmoltcpError::NoDns`], [`SmoltcpError::DnsBusy`].
    fn get_host_by_name(
        &mut self,
        hostname: &str,
        addr_type: AddrType,
    ) -> nb::Result<IpAddr, SmoltcpError> {
        let mut first = None;
        self.look_up(hostname, &addr_type, |address| {
            first.get_or_insert(address);
        })?;
        first.ok_or(nb::Error::Other(SmoltcpError::NameNotFound))
    }

    /// Not possible with smoltcp.
    ///
    /// # Errors
    ///
    /// Always [`SmoltcpError::ReverseLookupUnsupported`].
    fn get_host_by_address(
        &mut self,
        _addr: IpAddr,
        _result: &mut [u8],
    ) -> nb::Result<usize, SmoltcpError> {
        Err(SmoltcpError::ReverseLookupUnsupported.into())
    }
}

/// The addresses of the family that the interface prefers, then those of the other, if it has an
/// address of it. How many there are of each is smoltcp's to say (`dns-max-result-count`, 1 unless
/// set).
impl<'a, D: Device, const N: usize> Addresses for SmoltcpStack<'a, D, N> {
    fn get_addresses(
        &mut self,
        hostname: &str,
        found: &mut AddressList,
    ) -> nb::Result<(), SmoltcpError> {
        let v6_first = self.first_record(&AddrType::Either) == DnsQueryType::Aaaa;
        let (family, last) = match (found.answered, v6_first) {
            (0, true) => (AddrType::IPv6, self.iface.ipv4_addr().is_none()),
            (0, false) => (AddrType::IPv4, self.iface.ipv6_addr().is_none()),
            (_, true) => (AddrType::IPv4, true),
            (_, false) => (AddrType::IPv6, true),
        };
        match self.look_up(hostname, &family, |address| found.push(address)) {
            Err(nb::Error::WouldBlock) => return Err(nb::Error::WouldBlock),
            Ok(()) | Err(nb::Error::Other(SmoltcpError::NameNotFound)) => {}
            Err(error) => return Err(error),
        }
        found.answered += 1;
        if last {
            Ok(())
        } else {
            Err(nb::Error::WouldBlock)
        }
    }
}

impl<'a, D: Device, const N: usize> SmoltcpStack<'a, D, N> {
    /// Has `found` see all the addresses.
    fn look_up(
        &mut self,
        hostname: &str,
        addr_type: &AddrType,
        mut found: impl FnMut(IpAddr),
    ) -> nb::Result<(), SmoltcpError> {
        let bare = hostname.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(hostname).parse::<IpAddr>() {
            return if fits(&address, addr_type) {
                found(address);
                Ok(())
            } else {
                Err(SmoltcpError::NameNotFound.into())
            };
        }
        let handle = self.dns.ok_or(SmoltcpError::NoDns)?;
        let (name, now) = (digest(hostname, self.seed), self.now);
        let goes_on = self
            .lookup
            .as_ref()
            .is_some_and(|l| l.name == name && l.wanted == *addr_type && now < l.asked + FORGOTTEN);
        if !goes_on {
            self.cancel_lookup();
            self.start_lookup(handle, hostname, self.first_record(addr_type), addr_type)?;
        }
        let Some(lookup) = &mut self.lookup else {
            return Err(nb::Error::WouldBlock);
        };
        lookup.asked = now;
        let record = lookup.record;
        let socket = self.sockets.get_mut::<dns::Socket<'a>>(handle);
        let answered = match socket.get_query_result(lookup.query) {
            Err(GetQueryResultError::Pending) => return Err(nb::Error::WouldBlock),
            // Either way the query is gone from the DNS socket.
            Ok(addresses) => {
                let of_record = if record == DnsQueryType::A {
                    AddrType::IPv4
                } else {
                    AddrType::IPv6
                };
                let addresses = addresses.iter().map(|a| IpAddr::from(*a));
                let mut answered = false;
                for address in addresses.filter(|a| fits(a, &of_record)) {
                    answered = true;
                    found(address);
                }
                answered
            }
            Err(GetQueryResultError::Failed) => false,
        };
        self.lookup = None;
        match answered {
            true => Ok(()),
            false
                if *addr_type == AddrType::Either
                    && record == DnsQueryType::A
                    && self.iface.ipv6_addr().is_some() =>
            {
                self.start_lookup(handle, hostname, DnsQueryType::Aaaa, addr_type)?;
                Err(nb::Error::WouldBlock)
            }
            false => Err(SmoltcpError::NameNotFound.into()),
        }
    }
}

fn fits(address: &IpAddr, wanted: &AddrType) -> bool {
    match wanted {
        AddrType::IPv4 => address.is_ipv4(),
        AddrType::IPv6 => address.is_ipv6(),
        AddrType::Either => true,
    }
}

/// FNV-1a, started from the seed; names differ by case in nothing.
fn digest(name: &str, seed: u32) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ (u64::from(seed) << 17);
    name.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
