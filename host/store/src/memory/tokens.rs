//! The tokens port of the in-memory store.

use model::ids::{TenantId, TokenId};
use model::port::BoxFuture;
use model::port::store_error::StoreError;
use model::port::tokens::{Token, Tokens};

use crate::memory::Memory;

impl Tokens for Memory {
    fn create<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut tables = self.tables();
            if tables.tokens.contains_key(&token.id) {
                return Err(StoreError::Exists);
            }
            tables.tokens.insert(token.id.clone(), token.clone());
            Ok(())
        })
    }

    fn get<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<Option<Token>, StoreError>> {
        Box::pin(async move { Ok(self.tables().tokens.get(id).cloned()) })
    }

    fn list<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Vec<Token>, StoreError>> {
        Box::pin(async move {
            let tables = self.tables();
            let rows = tables.tokens.values().filter(|token| token.tenant == *tenant);
            Ok(rows.cloned().collect())
        })
    }

    fn revoke<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let ours = tables.tokens.get(id).is_some_and(|token| token.tenant == *tenant);
            Ok(ours && tables.tokens.remove(id).is_some())
        })
    }
}
