//! A copy of what was sent, in the mailbox with the role `\Sent`.
//!
//! Best effort, once, after the verdict is durable: it never changes the state
//! of a submission. Services that keep a copy by themselves get none from us.

use model::account::Account;
use model::mailbox::Role;
use model::octets::Octets;
use model::problem::Problem;

use crate::mailboxes;
use crate::works::Works;

/// Appends the message, when the account has a mailbox for it.
pub(crate) async fn file(works: &Works, account: &Account, raw: &Octets) {
    // A second copy would show twice.
    let profiles = &works.ports.profiles;
    let files_itself =
        account.smtp.as_ref().is_some_and(|server| profiles.keeps_sent_mail(&server.host));
    if !works.settings.copy_to_sent || files_itself || account.imap.is_none() {
        return;
    }
    if let Err(problem) = append(works, account, raw).await {
        tracing::warn!(account = %account.id, %problem, "no copy of a sent message was kept");
    }
}

async fn append(works: &Works, account: &Account, raw: &Octets) -> Result<(), Problem> {
    let Some(mailbox) = mailboxes::with_role(works, account, Role::Sent).await? else {
        return Ok(());
    };
    let seen = ["\\Seen".parse()].into_iter().flatten().collect::<Vec<_>>();
    let mut lease = works.pool.lease(account, Some(&mailbox)).await?;
    let answer = lease.append(&mailbox, &seen, raw).await;
    lease.keep();
    Ok(answer.map(drop)?)
}
