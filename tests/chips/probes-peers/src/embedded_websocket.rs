//! What is below embedded-websocket.

use embedded_websocket::WebSocketClient;
use rand_core::RngCore;
use ws_probes::word;

/// A source of randomness: a register.
pub struct Random;

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        word() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.next_u32().into()
    }

    #[inline(never)]
    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = word() as u8;
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

/// A client.
pub type Client = WebSocketClient<Random>;
