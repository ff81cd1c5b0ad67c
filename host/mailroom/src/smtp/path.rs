//! Parser of the arguments of MAIL and RCPT: one path, and parameters.
//!
//! Standards: RFC 5321 §4.1.2 (paths), §4.5.3.1.3 (a path has 256 octets).

/// A forward or reverse path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Without the brackets; empty for the null sender.
    pub(crate) address: String,
    /// Names in upper case.
    pub(crate) params: Vec<(String, Option<String>)>,
}

/// Parses what follows the command; the error is the reply to send.
pub(crate) fn parse(rest: &str, keyword: &str) -> Result<Path, &'static str> {
    const SYNTAX: &str = "501 5.5.4 syntax";
    let (word, after) = rest.split_at_checked(keyword.len()).ok_or(SYNTAX)?;
    if !word.eq_ignore_ascii_case(keyword) {
        return Err(SYNTAX);
    }
    // Deviation: a space before the bracket is accepted; many clients send it.
    let inner = after.trim_start().strip_prefix('<').ok_or(SYNTAX)?;
    // Deviation: a quoted local part must not contain `>`.
    let (address, tail) = inner.split_once('>').ok_or(SYNTAX)?;
    if !tail.is_empty() && !tail.starts_with(' ') {
        return Err(SYNTAX);
    }
    // A source route is parsed and ignored (RFC 5321 §4.1.1.3).
    let address = match address.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => address,
    };
    if address.len() > 254 {
        return Err("501 5.1.7 address too long");
    }
    if !address.is_empty() && !is_address(address) {
        return Err("501 5.1.3 not an address");
    }
    let mut params = Vec::new();
    for word in tail.split_ascii_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        params.push((name.to_ascii_uppercase(), value));
    }
    Ok(Path { address: address.to_owned(), params })
}

fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !"<>()\"\\,;@".contains(c))
    };
    plain(domain) && (quoted || plain(local))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_path_is_read_with_its_parameters() {
        check("from:<a@b> SIZE=1 smtputf8", Ok("a@b SIZE=1 SMTPUTF8"));
        check("FROM: <a@b>", Ok("a@b"));
        check("FROM:<>", Ok(""));
        check("FROM:<@x,@y:a@b>", Ok("a@b"));
        check(r#"FROM:<"a b c"@d>"#, Ok(r#""a b c"@d"#));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        check("FROM:a@b", Err("501 5.5.4 syntax"));
        check("FROM:<a@b", Err("501 5.5.4 syntax"));
        check("FROM:<a@b>x", Err("501 5.5.4 syntax"));
        check("TO:<a@b>", Err("501 5.5.4 syntax"));
        check("FRÖM", Err("501 5.5.4 syntax"));
        check("FROM:<a b@c>", Err("501 5.1.3 not an address"));
        check("FROM:<nobody>", Err("501 5.1.3 not an address"));
        check(&format!("FROM:<{}@b>", "a".repeat(300)), Err("501 5.1.7 address too long"));
    }

    #[track_caller]
    fn check(rest: &str, want: Result<&str, &str>) {
        let got = parse(rest, "FROM:").map(|path| {
            let params = path.params.into_iter().map(|(name, value)| match value {
                Some(value) => format!(" {name}={value}"),
                None => format!(" {name}"),
            });
            params.fold(path.address, |text, param| text + &param)
        });
        assert_eq!(got.as_deref().map_err(|reply| *reply), want, "{rest:?}");
    }
}
