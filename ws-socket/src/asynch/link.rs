//! One connection in one task's hands.

use core::fmt::Debug;

use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use ws_core::handshake::Sha1;
use ws_core::{Answer, Job};

use super::AsyncPlatform;
use super::drive::{Drive, Fault, State, Wire};
use crate::Config;
use crate::session::{Entry, Open};

/// A connection to work on, with what its steps need.
pub(super) struct Link<'a, 'buf, T, P> {
    pub(super) entry: &'a mut Entry<'buf, T>,
    pub(super) platform: &'a mut P,
    pub(super) config: &'a Config,
}

/// What came of a job.
pub(super) enum Done<E> {
    /// There is no open connection.
    NotConnected,
    /// It is over. What the stream failed with, if it did.
    Over(Option<Fault<E>>),
}

impl<T: Read + Write, P: AsyncPlatform> Link<'_, '_, T, P> {
    /// Does what a job asks for, to its end.
    pub(super) async fn drive(&mut self, job: &mut (dyn Job + Send)) -> Done<T::Error> {
        let Some(Open {
            socket,
            endpoint,
            lent,
            ..
        }) = self.entry.open()
        else {
            return Done::NotConnected;
        };
        let (read, reserve) = lent.into_parts();
        let mut drive = Drive {
            state: State {
                endpoint,
                reserve,
                platform: &mut *self.platform,
            },
            read,
            free: false,
            wire: Whole {
                socket,
                flush: self.config.flush,
            },
            config: self.config,
        };
        Done::Over(drive.run(job).await)
    }

    /// Writes the control frames that are due.
    pub(super) async fn answer(&mut self) -> Done<T::Error> {
        self.drive(&mut Answer::default()).await
    }
}

/// All of a stream.
struct Whole<'a, T> {
    socket: &'a mut T,
    flush: bool,
}

impl<T: Read + Write> Wire for Whole<'_, T> {
    type Error = T::Error;

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault<T::Error>> {
        self.socket.read(buffer).await.map_err(Fault::Stack)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault<T::Error>> {
        written(self.socket.write(bytes).await)
    }

    async fn flush(&mut self, always: bool) -> Result<(), Fault<T::Error>> {
        if self.flush || always {
            self.socket.flush().await.map_err(Fault::Stack)?;
        }
        Ok(())
    }

    async fn others(&mut self) {
        yield_now().await;
    }
}

/// A stream that takes nothing is as good as closed.
pub(super) fn written<E: Debug>(written: Result<usize, E>) -> Result<usize, Fault<E>> {
    match written {
        Ok(0) => Err(Fault::Closed),
        Ok(count) => Ok(count),
        Err(error) => Err(Fault::Stack(error)),
    }
}

/// The platform's hash unit, for the core.
pub(super) struct Hash<'a, P>(pub(super) &'a mut P);

impl<P: AsyncPlatform> Sha1 for Hash<'_, P> {
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        self.0.sha1(key)
    }
}
