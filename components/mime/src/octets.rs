//! Byte streams to and from the host: random access to read, append only to write.
//!
//! The traits exist so that everything else can be tested without a host.
//!
//! Invariant: no call to the host carries more than [`CHUNK`] bytes.

use crate::fault::{Code, Fault};

/// The most bytes in one call to the host.
pub const CHUNK: usize = 65_536;

/// The longest message that is parsed, in bytes. Providers allow 50 MB at most; the memory of the
/// sandbox must hold the message and one decoded part.
pub const LONGEST_MESSAGE: u64 = 64 * 1024 * 1024;

/// Bytes that the host holds.
pub trait Octets {
    /// In bytes, when known.
    fn size(&self) -> Option<u64>;
    /// At most `length` bytes from `offset`; empty at the end.
    ///
    /// # Errors
    /// [`Code::OctetsUnreadable`] when the host fails.
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Fault>;
}

/// Destination of bytes at the host.
pub trait Sink {
    /// Writes at most [`CHUNK`] bytes.
    ///
    /// # Errors
    /// [`Code::SpoolRefused`] when the host has no space.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault>;
}

/// Reads everything into memory.
///
/// # Errors
/// [`Code::TooLarge`] above [`LONGEST_MESSAGE`], and those of reading.
pub fn pull(octets: &dyn Octets) -> Result<Vec<u8>, Fault> {
    let size = octets.size().unwrap_or(0);
    if size > LONGEST_MESSAGE {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    each_chunk(octets, &mut |chunk| {
        if (bytes.len() + chunk.len()) as u64 > LONGEST_MESSAGE {
            return Err(too_large());
        }
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(bytes)
}

/// Passes the bytes on in chunks, so that they are never whole in memory.
///
/// # Errors
/// Those of reading and of `take`.
pub fn each_chunk(
    octets: &dyn Octets,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut offset = 0u64;
    loop {
        let chunk = octets.read(offset, CHUNK as u32)?;
        if chunk.is_empty() {
            return Ok(());
        }
        offset += chunk.len() as u64;
        take(&chunk)?;
    }
}

/// Collects small writes into chunks.
pub struct Buffered<'a> {
    sink: &'a mut dyn Sink,
    waiting: Vec<u8>,
}

impl std::fmt::Debug for Buffered<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Buffered").field("waiting", &self.waiting.len()).finish()
    }
}

impl<'a> Buffered<'a> {
    pub fn new(sink: &'a mut dyn Sink) -> Self {
        Self { sink, waiting: Vec::with_capacity(CHUNK) }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let free = CHUNK - self.waiting.len();
            let (now, later) = bytes.split_at(free.min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == CHUNK {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the rest. Without it the last bytes are lost.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(mut self) -> Result<(), Fault> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if !self.waiting.is_empty() {
            self.sink.write(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

fn too_large() -> Fault {
    Fault::of_message(Code::TooLarge, format!("the message is longer than {LONGEST_MESSAGE} bytes"))
}

/// In-memory implementation for tests.
#[cfg(test)]
pub(crate) mod memory {
    use super::{CHUNK, Fault, Octets, Sink};

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Memory(pub(crate) Vec<u8>);

    impl Octets for Memory {
        fn size(&self) -> Option<u64> {
            None
        }
        fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
            let rest = self.0.get(offset as usize..).unwrap_or_default();
            Ok(rest[..rest.len().min(length as usize)].to_vec())
        }
    }

    impl Sink for Memory {
        fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
            assert!(bytes.len() <= CHUNK, "a write of {} bytes", bytes.len());
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::memory::Memory;
    use super::*;

    #[test]
    fn small_and_large_writes_arrive_in_order_and_in_chunks() {
        let mut memory = Memory::default();
        let mut buffered = Buffered::new(&mut memory);
        let mut want = Vec::new();
        for length in [1usize, 70_000, 3, 65_536, 200_000] {
            let piece: Vec<u8> = (0..length).map(|n| n as u8).collect();
            want.extend_from_slice(&piece);
            buffered.put(&piece).unwrap();
        }
        buffered.finish().unwrap();
        assert!(memory.0 == want);
        assert!(pull(&memory).unwrap() == want);
    }
}
