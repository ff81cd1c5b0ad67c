//! Imports `types.octets`, to read bytes, and `uploads.spool`, to write them.

use std::sync::Arc;

use model::caller::Party;
use model::octets::Octets;
use model::problem::Problem;
use wasmtime::component::Resource;

use crate::guest_state::{GuestState, HostAccess};
use crate::imports::{Answer, NoAccess};
use crate::wit::bindings::capabilities::postlet::mail::{types, uploads};
use crate::wit::handles::SpoolHandle;
use crate::wit::problem;

/// Maximum size in bytes of one read or write.
const PIECE: usize = 65_536;
/// The size of a message of the largest request in base64, with its header and boundaries.
const MIME_SPOOL: u64 = 64 << 20;

impl types::Host for GuestState {}

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
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        let octets = Arc::clone(self.table.get(&octets)?);
        let length = usize::try_from(length).unwrap_or(PIECE).min(PIECE);
        match octets.read_at(offset, length).await {
            Ok(bytes) => Ok(Ok(bytes.get(..length).unwrap_or(&bytes).to_vec())),
            Err(error) => Ok(Err(self.refuse(problem::unreadable(error)))),
        }
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
        let made = match &self.powers {
            HostAccess::None | HostAccess::Filter { .. } => {
                return Err(wasmtime::Error::new(NoAccess));
            }
            HostAccess::Mime(spools) => {
                spools.create(&Party::Host).map(|spool| (spool, MIME_SPOOL)).map_err(problem::spool)
            }
            HostAccess::Endpoint { capabilities, caller, .. } => {
                capabilities.spool(caller).map(|spool| (spool, self.meter.limits().request_body))
            }
        };
        match made {
            Ok((spool, limit)) => {
                Ok(Ok(self.table.push(SpoolHandle { spool, left: limit, limit })?))
            }
            Err(problem) => Ok(Err(self.refuse(problem))),
        }
    }

    async fn write(&mut self, spool: Resource<SpoolHandle>, bytes: Vec<u8>) -> Answer<()> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        if bytes.len() > PIECE {
            return Err(wasmtime::Error::new(TooMuch(bytes.len())));
        }
        let handle = self.table.get_mut(&spool)?;
        let length = bytes.len() as u64;
        let written: Result<(), Problem> = match handle.left.checked_sub(length) {
            None => Err(problem::too_large(handle.limit)),
            Some(left) => {
                handle.left = left;
                handle.spool.write(bytes.into()).await.map_err(problem::spool)
            }
        };
        self.answer(written, |()| ())
    }

    async fn finish(&mut self, spool: Resource<SpoolHandle>) -> Answer<Resource<Octets>> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        let handle = self.table.delete(spool)?;
        let finished = handle.spool.finish().await.map_err(problem::spool);
        self.hand_over(finished)
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
