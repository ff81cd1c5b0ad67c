//! Instruction counter: the `mime` component in an engine with wasmtime's fuel enabled.

use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The fuel of one measurement: more than any message of these tests may cost, so that exhausting
/// it is a failure.
const ENOUGH: u64 = 1 << 36;

mod bindings {
    //! Bindings that wasmtime generates from the WIT world `mime-engine`.
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postlet:mail/mime-engine",
        imports: { default: trappable },
        with: {
            "postlet:mail/types.octets": crate::instruction_counter::Raw,
            "postlet:mail/uploads.spool": crate::instruction_counter::Sink,
        },
    });
}

use bindings::exports::postlet::mail::mime::Want;
use bindings::postlet::mail::{content, drafts, filtering, types, uploads};
use bindings::{MimeEngine, MimeEnginePre};

/// The message, as the guest's source of bytes.
#[expect(unreachable_pub, reason = "bindgen exports it again")]
#[derive(Debug)]
pub struct Raw(Vec<u8>);

/// A sink that discards everything.
#[expect(unreachable_pub, reason = "bindgen exports it again")]
#[derive(Debug)]
pub struct Sink;

struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
}

/// Counts the instructions of calls to the component.
pub(crate) struct Meter {
    engine: Engine,
    pre: MimeEnginePre<Guest>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, components::MIME).unwrap();
        let mut linker: Linker<Guest> = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        MimeEngine::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest).unwrap();
        let pre = MimeEnginePre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, pre }
    }

    /// Instructions for everything that the host reads of a message: its summary, the message
    /// itself, its first part.
    pub(crate) fn read(&self, raw: &[u8]) -> u64 {
        let guest = Guest { table: ResourceTable::new(), wasi: WasiCtx::builder().build() };
        let mut store = Store::new(&self.engine, guest);
        store.set_fuel(ENOUGH).unwrap();
        let mime = self.pre.instantiate(&mut store).unwrap();
        let mime = mime.postlet_mail_mime();
        // The host reads no more than that of the header.
        let block = raw.get(..raw.len().min(256 << 10)).unwrap_or(raw).to_vec();
        let end = block.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(block.len());
        mime.call_summarise(&mut store, &[block.get(..end).unwrap_or_default().to_vec()]).unwrap();
        let raw = store.data_mut().table.push(Raw(raw.to_vec())).unwrap();
        let lend = || Resource::new_borrow(raw.rep());
        for want in [Want::all() ^ Want::HTML_AS_SENT, Want::HTML_AS_SENT] {
            mime.call_read(&mut store, lend(), want, 1 << 20).unwrap().unwrap();
        }
        // There may be no part.
        drop(mime.call_decode(&mut store, lend(), "1").unwrap());
        ENOUGH - store.get_fuel().unwrap()
    }
}

type Answer<T> = wasmtime::Result<Result<T, types::Problem>>;

impl types::Host for Guest {}

impl types::HostOctets for Guest {
    fn size(&mut self, raw: Resource<Raw>) -> wasmtime::Result<Option<u64>> {
        Ok(Some(self.table.get(&raw)?.0.len() as u64))
    }

    fn read(&mut self, raw: Resource<Raw>, offset: u64, length: u32) -> Answer<Vec<u8>> {
        let rest = self.table.get(&raw)?.0.get(usize::try_from(offset)?..).unwrap_or_default();
        Ok(Ok(rest.get(..length as usize).unwrap_or(rest).to_vec()))
    }

    fn drop(&mut self, raw: Resource<Raw>) -> wasmtime::Result<()> {
        self.table.delete(raw)?;
        Ok(())
    }
}

impl uploads::Host for Guest {}

impl uploads::HostSpool for Guest {
    fn create(&mut self) -> Answer<Resource<Sink>> {
        Ok(Ok(self.table.push(Sink)?))
    }

    fn write(&mut self, _: Resource<Sink>, _: Vec<u8>) -> Answer<()> {
        Ok(Ok(()))
    }

    fn finish(&mut self, spool: Resource<Sink>) -> Answer<Resource<Raw>> {
        self.table.delete(spool)?;
        Ok(Ok(self.table.push(Raw(Vec::new()))?))
    }

    fn drop(&mut self, spool: Resource<Sink>) -> wasmtime::Result<()> {
        self.table.delete(spool)?;
        Ok(())
    }
}

impl content::Host for Guest {}

impl drafts::Host for Guest {}

impl filtering::Host for Guest {}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
