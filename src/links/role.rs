//! What a link is for, as its key says. A label only: links are found by what they are, not by where.

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The picture shown (`image`, `displayUri`, `banner_image` …).
    Image,
    /// The work itself where it is more than a picture (`animation_url`, `artifactUri`, Zora's `content`).
    Animation,
    /// A small picture.
    Thumbnail,
    /// One of several files (`properties.files`, `formats`, `resources`).
    File,
    /// More metadata (`localization.uri`, `metadata`).
    Metadata,
    /// A web site.
    External,
    /// Licence or rights.
    Rights,
    /// A part of a web page, picture or style sheet.
    Part,
    /// Anything else.
    Other,
}

impl Role {
    /// The role as a stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Image => "image",
            Role::Animation => "animation",
            Role::Thumbnail => "thumbnail",
            Role::File => "file",
            Role::Metadata => "metadata",
            Role::External => "external",
            Role::Rights => "rights",
            Role::Part => "part",
            Role::Other => "other",
        }
    }

    /// The role that a key gives, if it gives one: `image_url`, `imageURL` and `Image URL` are the same key.
    pub(super) fn of_key(key: &str) -> Option<Role> {
        const KEY_LEN_MAX: usize = 40;
        let plain: String = match key.len() {
            0..=KEY_LEN_MAX => key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect(),
            _ => return None,
        };
        let stem = ["uri", "url", "link"].into_iter().find_map(|end| plain.strip_suffix(end)).unwrap_or(&plain);
        Some(match stem {
            "image" | "imagedata" | "imageoriginal" | "display" | "bannerimage" | "featuredimage" | "coverimage" | "banner"
            | "logo" | "svgimagedata" | "picture" | "avatar" | "icon" => Role::Image,
            "animation" | "artifact" | "content" | "video" | "videoclip" | "audio" | "media" | "model" => Role::Animation,
            "thumbnail" | "thumb" | "preview" | "imagepreview" | "imagethumbnail" => Role::Thumbnail,
            "files" | "file" | "formats" | "resources" | "assets" | "attachments" => Role::File,
            "localization" | "metadata" | "token" | "contract" => Role::Metadata,
            "external" | "youtube" | "website" | "homepage" | "discord" | "twitter" => Role::External,
            "rights" | "right" | "license" | "licence" | "terms" => Role::Rights,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn keys_of_the_standards() {
        for (key, role) in [
            ("image", Some(Role::Image)),
            ("displayUri", Some(Role::Image)),
            ("Image URL", Some(Role::Image)),
            ("animation_url", Some(Role::Animation)),
            ("thumbnailUri", Some(Role::Thumbnail)),
            ("external_link", Some(Role::External)),
            ("rightUri", Some(Role::Rights)),
            ("uri", None),
            ("name", None),
        ] {
            assert_eq!(Role::of_key(key), role, "{key}");
        }
    }
}
