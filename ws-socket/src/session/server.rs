//! A server's side of a connection before frames, over a stack.

use embedded_nal::TcpClientStack;

use super::exchange::Output;
use super::{Context, Entry, SEND_SCRATCH, Stop};
use crate::handler::Handler;
use crate::{Platform, WebSocketId};

/// What a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing more can be done for now; the time runs out in so many milliseconds.
    Blocked(u32),
    /// There is more to do at once, but it is the others' turn.
    Again,
    /// Frames may follow.
    Upgraded,
    /// The connection is to be closed.
    Over,
}

/// How often a step reads or writes at most before it lets others run.
const MAX_CALLS: usize = 64;

impl<T> Entry<'_, T> {
    /// Goes on with a request and its answer, as far as that goes without waiting.
    pub(crate) fn server<'r, S, P, H>(
        &mut self,
        context: &mut Context<S, P>,
        ws: WebSocketId,
        handler: &mut H,
    ) -> Step
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
        H: Handler<'r>,
    {
        let mut scratch = [0; SEND_SCRATCH];
        for _ in 0..MAX_CALLS {
            let now = context.platform.now_ms();
            let exchange = self.exchange(&context.config, now, ws, handler);
            let Some((socket, mut exchange, left)) = exchange else {
                return Step::Over;
            };
            if exchange.is_reading() {
                let read = match exchange.read_buffer() {
                    Some(buffer) => context.read(socket, buffer).map(Some),
                    None => Ok(None),
                };
                match read {
                    Err(Stop::Blocked) => return Step::Blocked(left),
                    Ok(Some(0)) | Err(_) => return Step::Over,
                    Ok(read) => {
                        exchange.received(&mut context.hash(), read.unwrap_or(0));
                    }
                }
                continue;
            }
            match exchange.output(&mut scratch) {
                Output::Bytes(bytes, part) => match context.write(socket, bytes) {
                    Ok(count) => exchange.sent(part, count, now, &context.config),
                    Err(Stop::Blocked) => return Step::Blocked(left),
                    Err(_) => return Step::Over,
                },
                Output::Upgraded(subprotocol) => {
                    self.upgraded(&context.config, subprotocol);
                    return Step::Upgraded;
                }
                Output::Kept => {
                    self.next_request(&context.config, now, ws, handler);
                    // Also where the next request is in the buffer already.
                    return Step::Again;
                }
                Output::Over => return Step::Over,
            }
        }
        Step::Again
    }
}
