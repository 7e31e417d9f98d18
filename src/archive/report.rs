//! `data/report.html`: one static page for people, without scripts and without anything from elsewhere.
//!
//! All text of metadata is escaped. Pictures are shown by `<img>` alone, where nothing in them runs; no SVG or HTML of an archive
//! becomes a part of the page. A content security policy says the same to the browser.

use super::manifest::{Archive, Item, ItemStatus, Link, LinkStatus, Manifest};
use super::media;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write;

/// Everything up to the first text: the policy, the style.
const HEAD: &str = include_str!("report_head.html");

/// What stays as it is in the path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// The page. `name_of` gives the names that items have in their metadata.
pub(super) fn page(manifest: &Manifest, name_of: &dyn Fn(&Item) -> Option<String>) -> String {
    let mut page = Page { html: HEAD.to_owned() };
    page.totals(manifest);
    manifest.items.iter().for_each(|item| page.item(item, name_of(item)));
    page.archives(&manifest.archives);
    page.html.push_str("</body>\n</html>\n");
    page.html
}

struct Page {
    html: String,
}

impl Page {
    /// Markup of our own; what it is given must be escaped.
    fn put(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.html.write_fmt(markup);
    }

    fn totals(&mut self, manifest: &Manifest) {
        let count = |status: ItemStatus| manifest.items.iter().filter(|item| item.status == status).count();
        let bytes: u64 = manifest.archives.iter().map(|archive| archive.size).fold(0, u64::saturating_add);
        self.put(format_args!(
            "<h1>Archive report</h1>\n<p>Made by {}, begun {}, last changed {}.</p>\n",
            escape(&manifest.generator),
            escape(&manifest.created),
            escape(&manifest.updated)
        ));
        self.put(format_args!(
            "<p>Items: {}, of which {} complete, {} incomplete, {} failed. CAR files: {}, {bytes} bytes in all.</p>\n",
            manifest.items.len(),
            count(ItemStatus::Complete),
            count(ItemStatus::Incomplete),
            count(ItemStatus::Failed),
            manifest.archives.len(),
        ));
    }

    fn item(&mut self, item: &Item, name: Option<String>) {
        let status = match item.status {
            ItemStatus::Complete => "complete",
            ItemStatus::Incomplete => "incomplete",
            ItemStatus::Failed => "failed",
        };
        self.put(format_args!("<section>\n"));
        if let Some(picture) = item.links.iter().find_map(thumbnail) {
            // Files are named from the page's own directory.
            self.put(format_args!("<img src=\"{picture}\" alt=\"\" loading=\"lazy\">\n"));
        }
        if let Some(name) = name {
            self.put(format_args!("<h2>{}</h2>\n", escape(&short(&name))));
        }
        self.put(format_args!("<p><code>{}</code></p>\n<p class=\"{status}\">{status}", escape(&item.id)));
        if let Some(reason) = &item.reason {
            self.put(format_args!(": {}", escape(reason)));
        }
        self.put(format_args!("</p>\n"));
        if let Some(chain) = &item.chain {
            self.put(format_args!(
                "<p>{} at block {} (<code>{}</code>): ",
                escape(&chain.function),
                chain.block_number,
                escape(&chain.block_hash)
            ));
            self.put(format_args!("<code>{}</code></p>\n", escape(&short(&chain.uri))));
        }
        if let Some(metadata) = &item.metadata {
            self.put(format_args!(
                "<p>metadata: {} bytes, sha-256 <code>{}</code></p>\n",
                metadata.bytes,
                escape(&metadata.sha256)
            ));
        }
        if !item.links.is_empty() {
            self.put(format_args!("<table>\n<tr><th>field</th><th>link</th><th>status</th></tr>\n"));
            item.links.iter().for_each(|link| self.link(link));
            self.put(format_args!("</table>\n"));
        }
        self.put(format_args!("</section>\n"));
    }

    fn link(&mut self, link: &Link) {
        let place = if link.pointer.is_empty() { link.field.as_deref().unwrap_or_default() } else { &link.pointer };
        let target = link.path.as_deref().unwrap_or(&link.raw);
        let status = link.status.as_str();
        self.put(format_args!("<tr><td>{}</td><td><code>{}</code>", escape(place), escape(&short(target))));
        if let (Some(bytes), media_type) = (link.bytes, link.media_type.as_deref().unwrap_or("unknown")) {
            self.put(format_args!("<br>{}, {bytes} bytes", escape(media_type)));
        }
        self.put(format_args!("</td><td class=\"{status}\">{status}"));
        if let Some(reason) = &link.reason {
            self.put(format_args!("<br>{}", escape(reason)));
        }
        self.put(format_args!("</td></tr>\n"));
    }

    fn archives(&mut self, archives: &[Archive]) {
        self.put(format_args!(
            "<section>\n<h2>CAR files</h2>\n<table>\n<tr><th>file</th><th>blocks</th><th>bytes</th><th>sha-256</th></tr>\n"
        ));
        for archive in archives {
            let class = if archive.complete { "complete" } else { "incomplete" };
            self.put(format_args!(
                "<tr><td class=\"{class}\"><code>{}</code></td><td class=\"number\">{}</td><td class=\"number\">{}</td><td><code>{}</code></td></tr>\n",
                escape(&archive.file),
                archive.blocks,
                archive.size,
                escape(&archive.sha256),
            ));
        }
        self.put(format_args!("</table>\n</section>\n"));
    }
}

/// The file of a link that is a picture, as a reference from the page.
fn thumbnail(link: &Link) -> Option<String> {
    let file = link.file.as_ref().filter(|_| link.status == LinkStatus::Archived)?;
    let is_picture = media::is_picture(link.media_type.as_deref()?);
    let below = file.strip_prefix("data/").filter(|_| is_picture)?;
    Some(utf8_percent_encode(below, PATH).to_string())
}

/// A long text cut short.
fn short(text: &str) -> String {
    const SHOWN_MAX: usize = 300;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Text that is safe between tags and inside quoted attributes. Characters that change the direction of text are named by number.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                out.extend(c.escape_unicode());
            }
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;");
        assert_eq!(escape("\" onerror='x' &amp;"), "&quot; onerror=&#39;x&#39; &amp;amp;");
        assert_eq!(escape("a\u{202e}b\u{1b}"), "a\\u{202e}b\\u{1b}");
        assert_eq!(utf8_percent_encode("files/b/a\" b<c>#?.svg", PATH).to_string(), "files/b/a%22%20b%3Cc%3E%23%3F.svg");
    }
}
