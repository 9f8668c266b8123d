//! CheckBuild: a page checks whether it was loaded from the current build.

use url::Url;

/// Returns the URL that the page should be loaded from, or `None` if it is current. `page` is the full URL of the start
/// page. A path component before the file name that consists only of hex digits is a build number and must equal
/// `build`; if there is none, `build` is inserted. `build` must consist of hex digits too, otherwise this function
/// never redirects.
#[must_use]
pub fn redirect(page: &str, build: &str) -> Option<String> {
    let is_build = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_build(build) {
        return None;
    }
    let mut url = Url::parse(page).ok()?;
    let mut parts: Vec<String> = url.path_segments()?.map(str::to_owned).collect();
    let file = parts.pop()?;
    match parts.last() {
        Some(part) if part == build => return None,
        Some(part) if is_build(part) => {
            parts.pop();
        }
        _ => {}
    }
    parts.push(build.to_owned());
    parts.push(file);
    url.set_path(&parts.join("/"));
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn builds_are_put_in_or_replaced() {
        assert_eq!(redirect("https://h/d/i/12/a.htm?x=1", "12"), None);
        assert_eq!(redirect("https://h/d/i/11/a.htm?x=1", "12").as_deref(), Some("https://h/d/i/12/a.htm?x=1"));
        assert_eq!(redirect("https://h/d/inst/a.htm", "12").as_deref(), Some("https://h/d/inst/12/a.htm"));
        assert_eq!(redirect("nonsense", "12"), None);
        assert_eq!(redirect("https://h/a.htm", "v1"), None);
    }

    proptest! {
        #[test]
        fn a_redirected_page_is_current(path in "(/[a-z0-9]{0,5}){0,5}", page: String) {
            let _ = redirect(&page, "0a");
            if let Some(there) = redirect(&format!("https://h{path}"), "0a") {
                prop_assert_eq!(redirect(&there, "0a"), None);
            }
        }
    }
}
