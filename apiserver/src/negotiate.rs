//! Content negotiation: `Accept` with Kubernetes' parameters (`as`, `g`, `v`), entity tags, query parameters.

use bytes::Bytes;
use http::{HeaderMap, Uri, header};
use serde_json::Value;

use crate::status::{ApiError, Result};

/// Media types in which resources are served.
pub const OFFERED: &[&str] = &["application/json", "application/yaml"];

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/json`, indented.
    PrettyJson,
    /// `application/yaml`.
    Yaml,
}

impl Encoding {
    /// The media type without parameters.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json | Self::PrettyJson => "application/json",
            Self::Yaml => "application/yaml",
        }
    }

    /// Writes a document.
    pub fn encode(self, value: &Value) -> Bytes {
        match self {
            Self::Json => Bytes::from(value.to_string()),
            Self::PrettyJson => Bytes::from(format!("{value:#}")),
            // JSON is YAML: what the writer cannot say in its own style is still right.
            Self::Yaml => Bytes::from(serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())),
        }
    }
}

/// The kind that an answer is turned into, by the `as` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The resource's own kind.
    Object,
    /// `Table` of meta.k8s.io/v1.
    Table,
    /// `PartialObjectMetadata` of meta.k8s.io/v1.
    PartialObjectMetadata,
    /// `PartialObjectMetadataList` of meta.k8s.io/v1.
    PartialObjectMetadataList,
    /// `APIGroupDiscoveryList` of apidiscovery.k8s.io/v2.
    GroupDiscovery,
}

impl Target {
    fn parse(range: &Range) -> Option<Self> {
        let parameter = |name: &str| {
            range
                .parameters
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let Some(kind) = parameter("as") else {
            return Some(Self::Object);
        };
        let of = (
            parameter("g").unwrap_or_default(),
            parameter("v").unwrap_or_default(),
        );
        match (kind, of) {
            ("Table", ("meta.k8s.io", "v1")) => Some(Self::Table),
            ("PartialObjectMetadata", ("meta.k8s.io", "v1")) => Some(Self::PartialObjectMetadata),
            ("PartialObjectMetadataList", ("meta.k8s.io", "v1")) => Some(Self::PartialObjectMetadataList),
            ("APIGroupDiscoveryList", ("apidiscovery.k8s.io", "v2")) => Some(Self::GroupDiscovery),
            _ => None,
        }
    }

    /// Parameters that `Content-Type` repeats; empty for the resource's own kind, as upstream answers only
    /// discovery with them.
    pub fn parameters(self) -> &'static str {
        match self {
            Self::GroupDiscovery => ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            _ => "",
        }
    }
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How the answer is written.
    pub encoding: Encoding,
    /// What it is turned into.
    pub target: Target,
}

#[derive(Debug)]
struct Range {
    media: String,
    parameters: Vec<(String, String)>,
    /// In thousandths.
    quality: u16,
}

/// A parsed `Accept` header; no header accepts anything.
#[derive(Debug)]
pub struct Accept(Vec<Range>);

impl Accept {
    /// Reads the header; entries that are no media range are skipped, as upstream does.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut ranges: Vec<Range> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(range)
            .collect();
        if ranges.is_empty() {
            ranges.push(Range {
                media: "*/*".into(),
                parameters: Vec::new(),
                quality: 1000,
            });
        }
        ranges.retain(|range| range.quality > 0);
        ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
        Self(ranges)
    }

    /// The offered media type that the client likes best; earlier offers win for wildcards.
    pub fn choose<'a>(&self, offered: &[&'a str]) -> Option<&'a str> {
        self.0
            .iter()
            .find_map(|range| offered.iter().copied().find(|offer| range.covers(offer)))
    }

    /// Encoding and target for a resource that may be turned into `targets` besides its own kind.
    ///
    /// # Errors
    /// 406 where nothing that the client accepts is offered.
    pub fn agree(&self, targets: &[Target]) -> Result<Agreed> {
        for range in &self.0 {
            let encoding = match OFFERED.iter().find(|offer| range.covers(offer)) {
                Some(&"application/yaml") => Encoding::Yaml,
                Some(_)
                    if range
                        .parameters
                        .iter()
                        .any(|(key, value)| key == "pretty" && value == "1") =>
                {
                    Encoding::PrettyJson
                }
                Some(_) => Encoding::Json,
                None => continue,
            };
            if let Some(target) = Target::parse(range)
                && (target == Target::Object || targets.contains(&target))
            {
                return Ok(Agreed { encoding, target });
            }
        }
        Err(ApiError::not_acceptable(OFFERED))
    }
}

impl Range {
    fn covers(&self, media: &str) -> bool {
        self.media == media
            || self.media == "*/*"
            || self
                .media
                .strip_suffix("/*")
                .is_some_and(|kind| media.split('/').next() == Some(kind))
    }
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    if !media.contains('/') {
        return None;
    }
    let mut quality = 1000;
    let mut parameters = Vec::new();
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim_matches('"');
        if key == "q" {
            let q: f32 = value.parse().unwrap_or(0.0);
            quality = (q.clamp(0.0, 1.0) * 1000.0) as u16;
        } else {
            parameters.push((key.to_ascii_lowercase(), value.to_owned()));
        }
    }
    Some(Range {
        media,
        parameters,
        quality,
    })
}

/// Whether `If-None-Match` names this hash.
pub fn etag_matches(headers: &HeaderMap, hash: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == hash || tag == "*")
}

/// First value of a query parameter, decoded.
pub fn query(uri: &Uri, name: &str) -> Option<String> {
    queries(uri).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// All query parameters, decoded, in order.
pub fn queries(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    uri.query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |bytes: &std::str::Bytes<'_>| {
            let mut ahead = bytes.clone();
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            Some(digit(ahead.next())? * 16 + digit(ahead.next())?)
        };
        match byte {
            b'+' => out.push(b' '),
            b'%' => match hex(&bytes) {
                Some(value) => {
                    out.push(value as u8);
                    bytes.nth(1);
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &'static str) -> Accept {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, http::HeaderValue::from_static(text));
        Accept::of(&headers)
    }

    #[test]
    fn api_60_first_satisfiable_range_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;\
                       g=meta.k8s.io,application/json";
        let table = Agreed {
            encoding: Encoding::Json,
            target: Target::Table,
        };
        assert_eq!(accept(kubectl).agree(&[Target::Table]), Ok(table));
        let object = Agreed {
            encoding: Encoding::Json,
            target: Target::Object,
        };
        assert_eq!(accept(kubectl).agree(&[]), Ok(object));
        assert!(
            accept("application/json;as=Other;v=v1;g=meta.k8s.io")
                .agree(&[Target::Table])
                .is_err()
        );
    }

    #[test]
    fn api_13_json_is_the_default_and_protobuf_alone_is_refused() {
        let json = Agreed {
            encoding: Encoding::Json,
            target: Target::Object,
        };
        assert_eq!(Accept::of(&HeaderMap::new()).agree(&[]), Ok(json));
        assert_eq!(accept("*/*").agree(&[]), Ok(json));
        assert_eq!(
            accept("application/vnd.kubernetes.protobuf, application/json").agree(&[]),
            Ok(json)
        );
        let yaml = Agreed {
            encoding: Encoding::Yaml,
            target: Target::Object,
        };
        assert_eq!(
            accept("application/json;q=0.1, application/yaml").agree(&[]),
            Ok(yaml)
        );
        let error = accept("application/vnd.kubernetes.protobuf")
            .agree(&[])
            .expect_err("not offered");
        assert_eq!(error.code().as_u16(), 406);
    }

    #[test]
    fn queries_are_decoded_and_the_first_value_wins() {
        let uri = Uri::from_static("/x?a=1%2C2&a=3&b=x+y&c=%zz");
        assert_eq!(query(&uri, "a").as_deref(), Some("1,2"));
        assert_eq!(query(&uri, "b").as_deref(), Some("x y"));
        assert_eq!(query(&uri, "c").as_deref(), Some("%zz"));
        assert_eq!(query(&uri, "d"), None);
    }

    #[test]
    fn api_17_etags_are_compared_weakly() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::IF_NONE_MATCH,
            http::HeaderValue::from_static("\"A\", W/\"B\""),
        );
        assert!(etag_matches(&headers, "B") && !etag_matches(&headers, "C"));
    }
}
