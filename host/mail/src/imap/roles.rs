//! Roles of mailboxes, by SPECIAL-USE or by name.
//!
//! A server with SPECIAL-USE sends them. Without it, default names of mail clients and providers
//! are recognised, at the top level or right below INBOX only; a role that the server assigned is
//! never guessed a second time.
//!
//! Standard: RFC 6154.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums grow, and what we never ask for is all the same to us"
)]

use async_imap::imap_proto::{MailboxListData, NameAttribute};
use model::mail::mailbox::{Mailbox, MailboxName, Role, RoleSource};

/// Default names in lower case, the more common first.
const NAMES: [(Role, &[&str]); 5] = [
    (
        Role::Sent,
        &[
            "sent",
            "sent messages",
            "sent items",
            "sent mail",
            "sent-mail",
            "gesendet",
            "gesendete elemente",
            "gesendete objekte",
            "envoyés",
            "messages envoyés",
            "éléments envoyés",
            "objets envoyés",
            "enviados",
            "elementos enviados",
            "correo enviado",
            "itens enviados",
            "inviati",
            "posta inviata",
            "posta inviata items",
            "verzonden",
            "verzonden items",
            "wysłane",
            "elementy wysłane",
            "отправленные",
            "已发送",
            "已发送邮件",
            "已傳送",
            "寄件備份",
            "送信済み",
            "送信済みトレイ",
            "送信済みメール",
            "보낸 편지함",
            "보낸메일함",
            "skickat",
            "sendt",
            "sendte elementer",
            "lähetetyt",
            "odeslaná pošta",
            "odeslané",
            "gönderilmiş öğeler",
        ],
    ),
    (
        Role::Drafts,
        &[
            "drafts",
            "draft",
            "entwürfe",
            "entwurf",
            "brouillons",
            "brouillon",
            "borradores",
            "borrador",
            "rascunhos",
            "bozze",
            "concepten",
            "szkice",
            "wersje robocze",
            "kopie robocze",
            "черновики",
            "草稿",
            "草稿箱",
            "草稿匣",
            "下書き",
            "임시 보관함",
            "임시보관함",
            "utkast",
            "kladder",
            "luonnokset",
            "koncepty",
            "taslaklar",
        ],
    ),
    (
        Role::Trash,
        &[
            "trash",
            "deleted messages",
            "deleted items",
            "deleted",
            "bin",
            "papierkorb",
            "gelöschte elemente",
            "gelöschte objekte",
            "gelöscht",
            "corbeille",
            "éléments supprimés",
            "messages supprimés",
            "papelera",
            "elementos eliminados",
            "eliminados",
            "lixeira",
            "lixo",
            "itens excluídos",
            "cestino",
            "posta eliminata",
            "prullenbak",
            "verwijderde items",
            "kosz",
            "elementy usunięte",
            "корзина",
            "удаленные",
            "удалённые",
            "已删除",
            "已删除邮件",
            "废件箱",
            "垃圾桶",
            "刪除的郵件",
            "ごみ箱",
            "ゴミ箱",
            "削除済みアイテム",
            "휴지통",
            "지운 편지함",
            "papperskorgen",
            "papirkurv",
            "slettede elementer",
            "roskakori",
            "koš",
            "odstraněná pošta",
            "çöp kutusu",
            "silinmiş öğeler",
        ],
    ),
    (
        Role::Junk,
        &[
            "junk",
            "spam",
            "junk e-mail",
            "junk email",
            "junk mail",
            "bulk mail",
            "bulk",
            "spamverdacht",
            "unerwünscht",
            "werbung",
            "courrier indésirable",
            "indésirables",
            "pourriel",
            "pourriels",
            "correo no deseado",
            "no deseado",
            "lixo eletrônico",
            "posta indesiderata",
            "ongewenste e-mail",
            "wiadomości-śmieci",
            "спам",
            "нежелательная почта",
            "垃圾邮件",
            "垃圾郵件",
            "垃圾箱",
            "迷惑メール",
            "迷惑メールフォルダ",
            "스팸",
            "스팸메일함",
            "스팸 편지함",
            "skräppost",
            "søppelpost",
            "uønsket e-mail",
            "roskaposti",
            "nevyžádaná pošta",
            "gereksiz e-posta",
        ],
    ),
    (
        Role::Archive,
        &[
            "archive",
            "archives",
            "archiv",
            "archivo",
            "archivos",
            "arquivo",
            "arquivos",
            "archivio",
            "archief",
            "archiwum",
            "архив",
            "归档",
            "存档",
            "封存",
            "アーカイブ",
            "보관함",
            "arkiv",
            "arkisto",
            "arşiv",
        ],
    ),
];

/// Combines rows of LIST; those whose name could not be sent back are left out.
pub(crate) fn mailboxes(rows: Vec<Listed>) -> Vec<Mailbox> {
    let mut mailboxes: Vec<Mailbox> = rows.into_iter().map(|row| row.mailbox).collect();
    for (role, names) in NAMES {
        if mailboxes.iter().any(|mailbox| mailbox.role.is_some_and(|(known, _)| known == role)) {
            continue;
        }
        let guess = names.iter().find_map(|name| {
            mailboxes.iter().position(|mailbox| {
                mailbox.selectable && mailbox.role.is_none() && default_name(mailbox) == *name
            })
        });
        if let Some(mailbox) = guess.and_then(|index| mailboxes.get_mut(index)) {
            mailbox.role = Some((role, RoleSource::Name));
        }
    }
    mailboxes
}

/// One row of LIST.
#[derive(Debug)]
pub(crate) struct Listed {
    mailbox: Mailbox,
}

impl Listed {
    /// None for a name that could not be sent back as it came.
    pub(crate) fn read(row: &MailboxListData<'_>) -> Option<Self> {
        // The parser replaced what is not UTF-8, so the original bytes of the name are lost.
        if row.name.contains('\u{fffd}') {
            return None;
        }
        let name = MailboxName::from_wire(&row.name).ok()?;
        // An escaped delimiter comes with its backslash.
        let delimiter = row.delimiter.as_deref().and_then(|text| text.chars().last());
        let decoded = name.decoded();
        let path = match delimiter {
            Some(delimiter) => decoded.split(delimiter).map(str::to_owned).collect(),
            None => vec![decoded],
        };
        let role = if name.wire() == "INBOX" {
            Some((Role::Inbox, RoleSource::Name))
        } else {
            row.name_attributes.iter().find_map(role).map(|role| (role, RoleSource::SpecialUse))
        };
        let selectable = !row.name_attributes.iter().any(is_not_selectable);
        Some(Self { mailbox: Mailbox { name, path, role, selectable, counters: None } })
    }
}

fn role(attribute: &NameAttribute<'_>) -> Option<Role> {
    match attribute {
        NameAttribute::All => Some(Role::All),
        NameAttribute::Archive => Some(Role::Archive),
        NameAttribute::Drafts => Some(Role::Drafts),
        NameAttribute::Flagged => Some(Role::Flagged),
        NameAttribute::Junk => Some(Role::Junk),
        NameAttribute::Sent => Some(Role::Sent),
        NameAttribute::Trash => Some(Role::Trash),
        // Gmail's attribute before RFC 6154.
        NameAttribute::Extension(name) if name.eq_ignore_ascii_case("\\Spam") => Some(Role::Junk),
        NameAttribute::Extension(name) if name.eq_ignore_ascii_case("\\AllMail") => Some(Role::All),
        _ => None,
    }
}

fn is_not_selectable(attribute: &NameAttribute<'_>) -> bool {
    match attribute {
        NameAttribute::NoSelect => true,
        NameAttribute::Extension(name) => name.eq_ignore_ascii_case("\\NonExistent"),
        _ => false,
    }
}

/// The last part of the path in lower case, where a default mailbox may be; else empty.
fn default_name(mailbox: &Mailbox) -> String {
    match mailbox.path.as_slice() {
        [name] => name.to_lowercase(),
        [parent, name]
            if parent.eq_ignore_ascii_case("inbox")
                || parent == "[Gmail]"
                || parent == "[Google Mail]" =>
        {
            name.to_lowercase()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_goes_before_what_a_name_suggests() {
        check(
            &[("INBOX", &[]), ("Sent", &[]), ("Gesendet", &[NameAttribute::Sent])],
            &[
                Some((Role::Inbox, RoleSource::Name)),
                None,
                Some((Role::Sent, RoleSource::SpecialUse)),
            ],
        );
    }

    #[test]
    fn default_names_are_known_in_several_languages() {
        for (wire, role) in [
            ("Sent Items", Role::Sent),
            ("INBOX/Drafts", Role::Drafts),
            ("Papierkorb", Role::Trash),
            ("Entw&APw-rfe", Role::Drafts),
            ("&XfJT0ZAB-", Role::Sent),
            ("&V4NXPpCuTvY-", Role::Junk),
            ("Courrier ind&AOk-sirable", Role::Junk),
            ("Archivo", Role::Archive),
        ] {
            check(&[(wire, &[])], &[Some((role, RoleSource::Name))]);
        }
    }

    #[test]
    fn a_name_is_a_hint_only_where_defaults_lie_and_only_once() {
        check(&[("Work/Sent", &[])], &[None]);
        check(&[("Sent", &[NameAttribute::NoSelect])], &[None]);
        check(&[("Sent Items", &[]), ("Sent", &[])], &[None, Some((Role::Sent, RoleSource::Name))]);
    }

    #[track_caller]
    fn check(rows: &[(&str, &[NameAttribute<'static>])], want: &[Option<(Role, RoleSource)>]) {
        let rows = rows.iter().map(|(name, attributes)| {
            let row = MailboxListData {
                name_attributes: attributes.to_vec(),
                delimiter: Some("/".into()),
                name: (*name).into(),
            };
            Listed::read(&row).unwrap()
        });
        let roles: Vec<_> =
            mailboxes(rows.collect()).into_iter().map(|mailbox| mailbox.role).collect();
        assert_eq!(roles, want);
    }
}
