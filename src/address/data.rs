//! `data:` URIs (RFC 2397), as contracts write them: often raw JSON or SVG behind the comma, with `;utf8`.

use super::{Address, AddressError, Kind, Payload};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD};
use percent_encoding::percent_decode_str;

/// Unpadded, and indifferent to the bits behind the last byte, which careless encoders leave set.
const ENGINE: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::with_decode_allow_trailing_bits(NO_PAD, true));
/// The longest media type with parameters, in bytes.
const HEADER_LEN_MAX: usize = 256;

/// Reads what follows `data:`.
///
/// # Errors
/// [`AddressError::NotAnAddress`] when this is other text behind `data:`; [`AddressError::InvalidData`] for a broken payload.
pub(super) fn parse(rest: &str) -> Result<Address, AddressError> {
    let (header, body) = rest.split_once(',').ok_or(AddressError::NotAnAddress)?;
    let mut parts = header.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    if header.len() > HEADER_LEN_MAX || !is_media_type(&media_type) {
        return Err(AddressError::NotAnAddress);
    }
    let bytes = if parts.any(|parameter| parameter.eq_ignore_ascii_case("base64")) {
        decode_base64(body)?
    } else {
        // No fragment is cut off: raw SVG is full of `#` colours.
        percent_decode_str(body).collect()
    };
    let media_type = if media_type.is_empty() { "text/plain".to_owned() } else { media_type };
    Ok(Address { payload: Some(Payload { media_type, bytes }), ..Address::new(Kind::Data) })
}

/// Empty, or `type/subtype` in the characters of RFC 6838.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.is_empty() || text.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

/// Either alphabet, with or without padding, percent-encoded or broken over lines.
fn decode_base64(body: &str) -> Result<Vec<u8>, AddressError> {
    let mut digits: Vec<u8> = percent_decode_str(body)
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        })
        .collect();
    while digits.last() == Some(&b'=') {
        digits.pop();
    }
    ENGINE.decode(&digits).map_err(|_| AddressError::InvalidData("the payload is not base64"))
}

/// The `data:` URI of a payload, in base64.
pub(super) fn to_uri(payload: &Payload) -> String {
    format!("data:{};base64,{}", payload.media_type, base64::engine::general_purpose::STANDARD.encode(&payload.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(rest: &str) -> (String, Vec<u8>) {
        let payload = parse(rest).unwrap().payload.unwrap();
        (payload.media_type, payload.bytes)
    }

    #[test]
    fn every_spelling() {
        for rest in [
            "text/html;base64,aGk/",
            "text/html;base64,aGk_",
            "Text/HTML; charset=utf-8;BASE64,aGk%2F",
            "text/html;base64,aG\nk/",
        ] {
            assert_eq!(payload(rest), ("text/html".into(), b"hi?".to_vec()), "{rest}");
        }
        assert_eq!(payload(",a%20b"), ("text/plain".into(), b"a b".to_vec()));
        assert_eq!(payload(";base64,aGk="), ("text/plain".into(), b"hi".to_vec()));
        assert_eq!(payload("image/svg+xml;utf8,<svg width=\"100%\" fill=\"#fff\">").1, b"<svg width=\"100%\" fill=\"#fff\">");
    }

    #[test]
    fn prose_is_no_data() {
        for rest in [" foo, bar", "no comma", "the quick, brown"] {
            assert_eq!(parse(rest), Err(AddressError::NotAnAddress), "{rest}");
        }
        assert_eq!(parse("a/b;base64,@@").unwrap_err().reason(), "invalid-data-uri");
    }
}
