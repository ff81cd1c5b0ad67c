//! Imports `types.octets`, to read bytes, and `uploads.spool`, to write them.

use std::sync::Arc;

use model::caller::Party;
use model::octets::Octets;
use wasmtime::component::Resource;

use crate::guest_state::{GuestState, HostAccess};
use crate::imports::{Answer, NoAccess};
use crate::wit::bindings::capabilities::postlet::mail::{types, uploads};
use crate::wit::handles::SpoolHandle;
use crate::wit::import_error::ImportError;
use crate::wit::problem;

/// Maximum size in bytes of one read or write.
const PIECE: usize = 65_536;
/// The size of a message of the largest request in base64, with its header and boundaries.
const MIME_SPOOL: u64 = 64 << 20;

impl types::Host for GuestState {
    fn convert_problem(&mut self, error: ImportError) -> wasmtime::Result<types::Problem> {
        match error {
            ImportError::Problem(problem) => Ok(self.refuse(problem)),
            ImportError::Trap(trap) => Err(trap),
        }
    }
}

impl types::HostOctets for GuestState {
    async fn size(&mut self, octets: Resource<Octets>) -> wasmtime::Result<Option<u64>> {
        self.meter.count();
        Ok(Some(self.table.get(&octets)?.size()))
    }

    async fn read(
        &mut self,
        octets: Resource<Octets>,
        offset: u64,
        length: u32,
    ) -> Answer<Vec<u8>> {
        let _inside = self.meter.enter();
        let octets = Arc::clone(self.table.get(&octets)?);
        let length = usize::try_from(length).unwrap_or(PIECE).min(PIECE);
        let bytes = octets.read_at(offset, length).await.map_err(problem::unreadable)?;
        Ok(bytes.get(..length).unwrap_or(&bytes).to_vec())
    }

    async fn drop(&mut self, octets: Resource<Octets>) -> wasmtime::Result<()> {
        self.table.delete(octets)?;
        Ok(())
    }
}

impl uploads::Host for GuestState {}

impl uploads::HostSpool for GuestState {
    async fn create(&mut self) -> Answer<Resource<SpoolHandle>> {
        self.meter.count();
        let (spool, limit) = match &self.powers {
            HostAccess::None | HostAccess::Filter { .. } => {
                return Err(wasmtime::Error::new(NoAccess).into());
            }
            HostAccess::Mime(spools) => {
                (spools.create(&Party::Host).map_err(problem::spool)?, MIME_SPOOL)
            }
            HostAccess::Endpoint { capabilities, caller, .. } => {
                (capabilities.spool(caller)?, self.meter.limits().request_body)
            }
        };
        Ok(self.table.push(SpoolHandle { spool, left: limit, limit })?)
    }

    async fn write(&mut self, spool: Resource<SpoolHandle>, bytes: Vec<u8>) -> Answer<()> {
        let _inside = self.meter.enter();
        if bytes.len() > PIECE {
            return Err(wasmtime::Error::new(TooMuch(bytes.len())).into());
        }
        let handle = self.table.get_mut(&spool)?;
        let left = handle.left.checked_sub(bytes.len() as u64);
        handle.left = left.ok_or_else(|| problem::too_large(handle.limit))?;
        Ok(handle.spool.write(bytes.into()).await.map_err(problem::spool)?)
    }

    async fn finish(&mut self, spool: Resource<SpoolHandle>) -> Answer<Resource<Octets>> {
        let _inside = self.meter.enter();
        let handle = self.table.delete(spool)?;
        let octets = handle.spool.finish().await.map_err(problem::spool)?;
        Ok(self.table.push(octets)?)
    }

    async fn drop(&mut self, spool: Resource<SpoolHandle>) -> wasmtime::Result<()> {
        self.table.delete(spool)?;
        Ok(())
    }
}

/// `write` accepts at most [`PIECE`] bytes: its documentation says so, and a guest that exceeds it
/// has a bug that should be visible.
#[derive(Debug, thiserror::Error)]
#[error("spool.write takes at most 65536 bytes a call, not {0}")]
struct TooMuch(usize);
