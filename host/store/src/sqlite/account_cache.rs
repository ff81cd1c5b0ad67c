//! Cache of accounts: every request reads one.
//!
//! One process owns the data directory, so what it has not changed is still valid. The database is
//! written seldom: after any commit the whole cache is dropped.
//!
//! Invariant: a cached account was read after the last commit that was answered.

use parking_lot::Mutex;
use std::collections::HashMap;

use model::account::Account;
use model::ids::{AccountId, TenantId};

/// Maximum number of entries; some kilobytes each.
const MOST: usize = 2_000;

/// Accounts by tenant and id.
#[derive(Debug, Default)]
pub(crate) struct AccountCache {
    inside: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accounts: HashMap<(TenantId, AccountId), Account>,
    /// The number of commits when the first of them was read.
    commits: u64,
}

impl AccountCache {
    /// The account, if it is cached and there were `commits` commits then as now.
    pub(crate) fn get(&self, tenant: &TenantId, id: &AccountId, commits: u64) -> Option<Account> {
        let inside = self.inside.lock();
        let account = inside.accounts.get(&(tenant.clone(), id.clone()));
        account.filter(|_| inside.commits == commits).cloned()
    }

    /// Caches an account that was read after so many commits.
    pub(crate) fn keep(&self, account: &Account, commits: u64) {
        let mut inside = self.inside.lock();
        // A later read was faster.
        if commits < inside.commits {
            return;
        }
        if commits > inside.commits || inside.accounts.len() >= MOST {
            inside.accounts.clear();
            inside.commits = commits;
        }
        let key = (account.tenant.clone(), account.id.clone());
        inside.accounts.insert(key, account.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::person;

    #[test]
    fn a_commit_ends_what_was_read_before_it() {
        let (remembered, anna, bo) =
            (AccountCache::default(), person("t", "anna"), person("t", "bo"));
        let get = |account: &Account, commits| {
            remembered.get(&account.tenant, &account.id, commits).is_some()
        };
        remembered.keep(&anna, 1);
        assert!(get(&anna, 1));
        assert!(!get(&anna, 2));
        remembered.keep(&bo, 2);
        remembered.keep(&anna, 1);
        assert!(get(&bo, 2) && !get(&anna, 2));
    }
}
