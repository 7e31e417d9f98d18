//! Media types, told from the first bytes: what a file says of itself counts, not its name.

/// Bytes of a file that are looked at.
pub(super) const HEAD_LEN: usize = 512;

/// The media type that these first bytes of a file have.
pub(super) fn of(head: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 14] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"ID3", "audio/mpeg"),
        (b"\xff\xfb", "audio/mpeg"),
        (b"glTF", "model/gltf-binary"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b", "application/gzip"),
        (b"BM", "image/bmp"),
    ];
    if let Some((_, media_type)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return media_type;
    }
    match (head.get(..4), head.get(4..8), head.get(8..12)) {
        (Some(b"RIFF"), _, Some(b"WEBP")) => return "image/webp",
        (Some(b"RIFF"), _, Some(b"WAVE")) => return "audio/wav",
        (_, Some(b"ftyp"), Some(b"avif")) => return "image/avif",
        (_, Some(b"ftyp"), Some(b"qt  ")) => return "video/quicktime",
        (_, Some(b"ftyp"), _) => return "video/mp4",
        _ => {}
    }
    of_text(head).unwrap_or("application/octet-stream")
}

/// The media type of text. A cut inside a character is no fault: this is the beginning of a longer file.
fn of_text(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let is_control = |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c);
    if head.iter().any(is_control) || std::str::from_utf8(head).is_err_and(|e| e.error_len().is_some()) {
        return None;
    }
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    let mut rest = text.as_str();
    while let Some(inner) =
        rest.strip_prefix("<?xml").or_else(|| rest.strip_prefix("<!--")).or_else(|| rest.strip_prefix("<!doctype svg"))
    {
        rest = inner.split_once('>').map_or("", |(_, rest)| rest).trim_start();
    }
    Some(match rest.as_bytes() {
        [] => "text/plain",
        [b'{', ..] => "application/json",
        [b'[', b'{' | b'[' | b'"', ..] => "application/json",
        _ if rest.starts_with("<svg") => "image/svg+xml",
        _ if rest.starts_with("<!doctype html") || rest.starts_with("<html") || rest.starts_with("<head") => "text/html",
        _ => "text/plain",
    })
}

/// Whether a page may show a file of this type as a picture: nothing in these runs, not even in SVG when it is an `<img>`.
pub(super) fn is_picture(media_type: &str) -> bool {
    matches!(media_type, "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif" | "image/bmp" | "image/svg+xml")
}

/// The extension of file names for a media type.
pub(super) fn extension(media_type: &str) -> &'static str {
    match media_type {
        "application/json" => "json",
        "image/svg+xml" => "svg",
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "image/bmp" => "bmp",
        "text/html" => "html",
        "text/css" => "css",
        "text/javascript" | "application/javascript" => "js",
        "text/plain" => "txt",
        "audio/mpeg" => "mp3",
        "audio/wav" => "wav",
        "audio/ogg" => "ogg",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "model/gltf-binary" => "glb",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        for (head, expected) in [
            (&b"\x89PNG\r\n\x1a\nx"[..], "image/png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x20ftypisom", "video/mp4"),
            (b"<svg xmlns=", "image/svg+xml"),
            (b"<?xml version=\"1.0\"?>\n<!-- x --> <svg>", "image/svg+xml"),
            (b"\xef\xbb\xbf{\"a\":1}", "application/json"),
            (b"<!DOCTYPE html><html>", "text/html"),
            (b"caf\xc3", "text/plain"),
            (b"\xff\xfe\0\x01", "application/octet-stream"),
            (b"", "text/plain"),
        ] {
            assert_eq!(of(head), expected, "{}", head.escape_ascii());
        }
        assert!(is_picture("image/svg+xml") && !is_picture("text/html"));
        assert_eq!((extension("image/svg+xml"), extension("../x")), ("svg", "bin"));
    }
}
