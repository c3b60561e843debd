//! Negotiation (RFC 7692 section 7): what is offered, what is agreed.

use crate::extension::{Kind, Params, Reader};

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// A message may refer to those before it. If not, both sides forget them at its end.
    pub takeover: bool,
    /// Matches go back at most 2^`window_bits` bytes, 8 to 15.
    pub window_bits: u8,
}

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// What the client compresses.
    pub client: Side,
    /// What the server compresses.
    pub server: Side,
    /// What stands in the answer.
    answer: Params,
}

/// A client's offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// The server has to compress each message on its own.
    pub server_no_context_takeover: bool,
    /// The client will compress each message on its own.
    pub client_no_context_takeover: bool,
    /// The window of what the client inflates: the server may compress with no larger one. 8 to 15;
    /// `None` is 15.
    pub server_max_window_bits: Option<u8>,
    /// The window that the client compresses with, 8 to 15; `None` is 15. The server may ask for a
    /// smaller one in any case.
    pub client_max_window_bits: Option<u8>,
}

/// What a server agrees to, given by its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerRules {
    /// What the client compresses, the server inflates: without `takeover` each message on its own,
    /// which is always imposed. An offer from a client that cannot do with a smaller window than 15
    /// bits is declined if this has less.
    pub client: Side,
    /// What the server compresses.
    pub server: Side,
}

/// An answer that the client must fail the connection for (RFC 7692 sections 5.1 and 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// An extension that was not offered, or permessage-deflate more than once.
    #[error("an extension that was not offered")]
    Extension,
    /// It does not read as a list of extensions (RFC 6455 section 9.1).
    #[error("malformed list of extensions")]
    Malformed,
    /// A parameter that is none of the four, that came twice, or with a value that it cannot have.
    #[error("invalid parameter of permessage-deflate")]
    Parameter,
    /// It is not what was offered.
    #[error("the answer does not match the offer")]
    Mismatch,
}

/// The longest that [`Offer::write`] and [`Agreed::write`] make.
pub const MAX_OFFER: usize = 128;

impl Offer {
    /// Writes the value of the header `Sec-WebSocket-Extensions`. Nothing is written if it does not
    /// fit; [`MAX_OFFER`] bytes always do.
    #[must_use]
    pub fn write<'o>(&self, out: &'o mut [u8]) -> Option<&'o str> {
        let client = self.client_max_window_bits.filter(|bits| *bits < 15);
        Params {
            server_no_takeover: self.server_no_context_takeover,
            client_no_takeover: self.client_no_context_takeover,
            server_bits: self.server_max_window_bits.map(within),
            client_bits: Some(client.map(within).unwrap_or_default()),
        }
        .write(out)
    }
}

impl Agreed {
    /// Writes the value of the header `Sec-WebSocket-Extensions` of the answer. Nothing is written if
    /// it does not fit; [`MAX_OFFER`] bytes always do.
    #[must_use]
    pub fn write<'o>(&self, out: &'o mut [u8]) -> Option<&'o str> {
        self.answer.write(out)
    }
}

const fn within(bits: u8) -> u8 {
    match bits {
        0..=8 => 8,
        9..=14 => bits,
        _ => 15,
    }
}

const fn lesser(a: u8, b: u8) -> u8 {
    if a < b { a } else { b }
}

impl ServerRules {
    /// What comes of an offer, `None` if it cannot be met (section 7.1).
    fn accept(&self, offer: &Params) -> Option<Agreed> {
        // Section 7.1.2: without a value it is a hint that the client can do with less.
        let wanted = within(self.client.window_bits);
        let client_bits = match offer.client_bits {
            Some(0) => wanted,
            Some(bits) => lesser(bits, wanted),
            None if wanted < 15 => return None,
            None => 15,
        };
        // Section 7.1.2.1: it has to be in the answer.
        let server_bits = lesser(
            offer.server_bits.unwrap_or(15),
            within(self.server.window_bits),
        );
        let answer = Params {
            server_no_takeover: offer.server_no_takeover || !self.server.takeover,
            client_no_takeover: offer.client_no_takeover || !self.client.takeover,
            server_bits: (offer.server_bits.is_some() || server_bits < 15).then_some(server_bits),
            client_bits: offer
                .client_bits
                .filter(|bits| *bits != 0 || client_bits < 15)
                .map(|_| client_bits),
        };
        Some(Agreed {
            client: Side {
                takeover: !answer.client_no_takeover,
                window_bits: client_bits,
            },
            server: Side {
                takeover: !answer.server_no_takeover,
                window_bits: server_bits,
            },
            answer,
        })
    }
}

/// Reads the offers of a client, in all headers `Sec-WebSocket-Extensions` of a request.
///
/// Values may be cut anywhere. The first offer that can be met is taken; others, other extensions and
/// what is malformed are passed over.
#[derive(Debug, Clone)]
pub struct OfferReader {
    reader: Reader,
    rules: ServerRules,
    agreed: Option<Agreed>,
}

impl OfferReader {
    /// Nothing has been read.
    #[must_use]
    pub const fn new(rules: ServerRules) -> Self {
        Self {
            reader: Reader::new(),
            rules,
            agreed: None,
        }
    }

    /// A piece of a header's value.
    pub fn value(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.byte(Some(byte));
        }
    }

    /// A header ends here.
    pub fn header_end(&mut self) {
        self.byte(None);
    }

    fn byte(&mut self, byte: Option<u8>) {
        if let Some(Kind::Deflate(offer)) = self.reader.byte(byte)
            && self.agreed.is_none()
        {
            self.agreed = self.rules.accept(&offer);
        }
    }

    /// What the answer is to be, after the last header. `None`: none, and nothing is compressed.
    #[must_use]
    pub const fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }
}

/// Reads a server's answer, in all headers `Sec-WebSocket-Extensions` of a response.
#[derive(Debug, Clone)]
pub struct ResponseReader {
    reader: Reader,
    offer: Offer,
    result: Result<Option<Agreed>, NegotiationError>,
}

impl ResponseReader {
    /// Nothing has been read.
    #[must_use]
    pub const fn new(offer: Offer) -> Self {
        Self {
            reader: Reader::new(),
            offer,
            result: Ok(None),
        }
    }

    /// A piece of a header's value.
    pub fn value(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.byte(Some(byte));
        }
    }

    /// A header ends here.
    pub fn header_end(&mut self) {
        self.byte(None);
    }

    fn byte(&mut self, byte: Option<u8>) {
        let Some(kind) = self.reader.byte(byte) else {
            return;
        };
        self.result = match (self.result, kind) {
            (Err(error), _) => Err(error),
            (Ok(_), Kind::Malformed) => Err(NegotiationError::Malformed),
            (Ok(_), Kind::Parameter) => Err(NegotiationError::Parameter),
            (Ok(None), Kind::Deflate(answer)) => self.judge(answer).map(Some),
            (Ok(_), Kind::Other | Kind::Deflate(_)) => Err(NegotiationError::Extension),
        };
    }

    fn judge(&self, answer: Params) -> Result<Agreed, NegotiationError> {
        // Without a value it stands in offers only (section 7.1.2.2).
        if answer.client_bits == Some(0) {
            return Err(NegotiationError::Parameter);
        }
        // These two are demands (sections 7.1.1.1 and 7.1.2.1).
        let most = self.offer.server_max_window_bits.map(within);
        let bits = answer.server_bits;
        if self.offer.server_no_context_takeover && !answer.server_no_takeover
            || most.is_some_and(|most| bits.is_none_or(|bits| bits > most))
        {
            return Err(NegotiationError::Mismatch);
        }
        let ours = within(self.offer.client_max_window_bits.unwrap_or(15));
        if answer.client_bits.is_some_and(|bits| bits > ours) {
            return Err(NegotiationError::Mismatch);
        }
        Ok(Agreed {
            client: Side {
                // One that was offered holds even if the answer does not repeat it.
                takeover: !answer.client_no_takeover && !self.offer.client_no_context_takeover,
                window_bits: answer.client_bits.unwrap_or(ours),
            },
            server: Side {
                takeover: !answer.server_no_takeover,
                window_bits: bits.unwrap_or(15),
            },
            answer,
        })
    }

    /// What was agreed, after the last header. `None`: nothing is compressed.
    pub const fn agreed(&self) -> Result<Option<Agreed>, NegotiationError> {
        self.result
    }
}
