//! The one loop behind the calls on an open connection: it moves bytes, and decides nothing.

use embedded_nal::TcpClientStack;
use ws_core::{Job, SCRATCH, Step, Told};

use super::{Context, Entry, Open};
use crate::Platform;

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Driven {
    /// To its end.
    Done,
    /// It goes on after a wait.
    Blocked,
    /// There is no open connection.
    NotConnected,
}

impl<T> Entry<'_, T> {
    /// Does what a job asks for, as far as it goes without waiting. What the stack reports as an
    /// error is in [`Context::error`].
    #[inline(never)]
    pub(crate) fn drive<S, P>(&mut self, context: &mut Context<S, P>, job: &mut dyn Job) -> Driven
    where
        S: TcpClientStack<TcpSocket = T>,
        P: Platform<S>,
    {
        let Some(Open {
            endpoint,
            mut lent,
            socket,
            full_at,
        }) = self.open()
        else {
            return Driven::NotConnected;
        };
        let mut scratch = [0; SCRATCH];
        let mut told = Told::Resumed;
        loop {
            told = match job.step(endpoint, &mut lent, told) {
                Step::Done => return Driven::Done,
                // A send ends with its payload, however little the wire takes.
                Step::Yield if !job.listens() => Told::Resumed,
                Step::Yield => {
                    context.wait_at_most(0);
                    return Driven::Blocked;
                }
                Step::Blocked => {
                    if job.listens() {
                        context.watch(endpoint);
                    } else {
                        *full_at = Some(context.platform.now_ms());
                    }
                    return Driven::Blocked;
                }
                Step::Key => context.key(endpoint),
                // What a stack of sockets has taken goes out.
                Step::Flush | Step::FlushLast => Told::Flushed,
                Step::Read | Step::ReadNow => context.hear(socket, lent.read_buffer()),
                Step::ReadUser => context.hear(socket, job.user_buffer()),
                Step::Write => {
                    let (read, reserve) = lent.parts();
                    let scratch = endpoint.scratch(read, &mut scratch);
                    context.say(socket, endpoint.outgoing(job.rest(), reserve, scratch))
                }
            };
        }
    }
}
