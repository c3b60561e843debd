//! mountain-mqtt's `Connection`: its embedded-io is an older one.

use embedded_io_async::{Read, ReadReady, Write};
use mountain_mqtt::error::{PacketReadError, PacketWriteError};
use mountain_mqtt::packet_client::Connection;
use ws_socket::asynch::AsyncPlatform;

use crate::MqttStream;

/// What went wrong is lost in its errors: [`MqttStream::close_code`] has the broker's Close.
impl<T: Read + Write, P: AsyncPlatform> Connection for MqttStream<'_, T, P> {
    async fn send(&mut self, buf: &[u8]) -> Result<(), PacketWriteError> {
        let sent = self.write_all(buf).await;
        sent.map_err(|_| PacketWriteError::ConnectionSend)?;
        let flushed = self.flush().await;
        flushed.map_err(|_| PacketWriteError::ConnectionSend)
    }

    async fn receive(&mut self, buf: &mut [u8]) -> Result<(), PacketReadError> {
        let read = self.read_exact(buf).await;
        read.map_err(|_| PacketReadError::ConnectionReceive)
    }

    async fn receive_if_ready(&mut self, buf: &mut [u8]) -> Result<bool, PacketReadError> {
        let ready = self.read_ready();
        if ready.map_err(|_| PacketReadError::ConnectionReceive)? {
            self.receive(buf).await?;
            return Ok(true);
        }
        Ok(false)
    }
}
