//! Negotiating compression, both roles.

use ws_deflate::{Agreed, NegotiationError, Offer, OfferReader, ResponseReader, ServerRules};

ws_probes::entries! {
    /// What a client offers.
    fn offer(offer: &Offer, out: &'static mut [u8]) -> Option<&'static str> { offer.write(out) }
    /// What a server makes of it.
    fn read(rules: ServerRules, value: &[u8]) -> Option<Agreed> {
        let mut reader = OfferReader::new(rules);
        reader.value(value);
        reader.header_end();
        reader.agreed()
    }
    /// What it answers.
    fn answer(agreed: &Agreed, out: &'static mut [u8]) -> Option<&'static str> { agreed.write(out) }
    /// What the client makes of that.
    fn judge(offer: Offer, value: &[u8]) -> Result<Option<Agreed>, NegotiationError> {
        let mut reader = ResponseReader::new(offer);
        reader.value(value);
        reader.header_end();
        reader.agreed()
    }
}
