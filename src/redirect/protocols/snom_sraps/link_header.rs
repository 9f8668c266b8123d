//! Parses the header `Link` (RFC 8288) for the link to the next page.

/// The target of the first link whose relation is `next`.
pub(crate) fn next_page(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let (parameters, following) = parameters(after);
        let is_next = parameters.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim().to_owned());
        }
        rest = following;
    }
}

/// Returns the parameters of a target, and the rest after the following comma.
fn parameters(mut text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        text = text.trim_start();
        let Some(after) = text.strip_prefix(';') else {
            return (found, text.strip_prefix(',').unwrap_or(text));
        };
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            text = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
        };
        found.push((name.trim(), value.trim()));
        text = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        let url = "https://h/settings/?page=2&page_size=1000";
        for header in [
            format!("<{url}>; rel=\"next\""),
            format!("<{url}>;rel=next"),
            format!("<https://h/?page=1>; rel=\"first\", <{url}>; title=\"a, b; rel=no\"; rel=\"last next\""),
            format!("<https://h/a,b>; rel=prev , <{url}> ; REL=\"Next\""),
        ] {
            assert_eq!(next_page(&header).as_deref(), Some(url), "{header}");
        }
        for header in
            ["", "<x>; rel=\"prev\"", "<x", "next", "<x>; rel", "<x>; title=\"rel=next\"", "<x>; rel=\"nextish\""]
        {
            assert_eq!(next_page(header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_ends_whatever_it_reads(text in "[<>;,=\"a-z ]{0,80}") {
            let _ = next_page(&text);
        }
    }
}
