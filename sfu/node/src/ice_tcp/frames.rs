//! Packets in a stream: two bytes that say how long each is, and the packet (RFC 4571, section 2).

use crate::net::SLOT_SIZE;
use bytes::{Buf, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of one packet on a stream, as of a datagram. A longer one ends the stream.
pub const FRAME_BYTES_MAX: usize = SLOT_SIZE;

/// Bytes in front of each packet.
pub const HEADER: usize = 2;

/// Room for what one read brings.
const READ_BYTES: usize = 8 * 1024;

/// The packets of one stream. Holds no more than one read brings and one packet's beginning.
pub struct Frames<R> {
    reader: R,
    bytes: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// The packets of a stream of which these bytes have been read already.
    pub fn after(begun: &[u8], reader: R) -> Self {
        let mut bytes = BytesMut::with_capacity(READ_BYTES);
        bytes.extend_from_slice(begun);
        Frames { reader, bytes }
    }

    #[cfg(test)]
    pub fn new(reader: R) -> Self {
        Frames::after(&[], reader)
    }

    /// The next packet; nothing is lost when the wait for it is given up.
    ///
    /// # Errors
    ///
    /// When the stream ends, or a packet is longer than [`FRAME_BYTES_MAX`].
    pub async fn next(&mut self) -> io::Result<BytesMut> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            self.bytes.reserve(READ_BYTES);
            if self.reader.read_buf(&mut self.bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The stream; what was read ahead is given up.
    #[cfg(test)]
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// A packet that is here already.
    fn take(&mut self) -> io::Result<Option<BytesMut>> {
        let Some(len) = self.bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(*len));
        if len > FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.bytes.len() < HEADER + len {
            return Ok(None);
        }
        self.bytes.advance(HEADER);
        Ok(Some(self.bytes.split_to(len)))
    }
}
