//! Memory and tables of one instance.
//!
//! wasmtime asks before every growth. A refused guest usually aborts, so the
//! refusal is remembered: the trap that follows is told as what caused it.

use wasmtime::ResourceLimiter;

use crate::error::Which;
use crate::limits;
use crate::limits::Limits;

/// What the instance has, and what it was refused.
#[derive(Debug)]
pub(crate) struct Quota {
    memory: usize,
    table_elements: usize,
    used: usize,
    refused: Option<Which>,
}

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
            table_elements: limits.table_elements,
            used: 0,
            refused: None,
        }
    }

    /// The first thing that there was not enough of.
    pub(crate) fn refused(&self) -> Option<Which> {
        self.refused
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let used = self.used.saturating_add(more);
        if used > self.memory {
            self.refused.get_or_insert(Which::Memory);
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.refused.get_or_insert(Which::Table);
            return Ok(false);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        limits::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        limits::TABLES as usize
    }

    fn memories(&self) -> usize {
        limits::MEMORIES as usize
    }
}
