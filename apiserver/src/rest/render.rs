//! From stored objects to bytes on the wire.
//!
//! **Invariant:** an object's JSON is made once per served version and shared by every reader after that.

use bytes::{BufMut, Bytes, BytesMut};
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::convert::Served;
use super::list::Selection;
use super::{Call, Reply};
use crate::engine::Body;
use crate::engine::body::full;
use crate::engine::path::Verb;
use crate::engine::query::Query;
use crate::negotiate::{Agreed, Encoding, Target};
use crate::status::{ApiError, Result};
use crate::table::{self, Tabulator};

/// What the query and the verb add to what `Accept` agreed on.
pub(super) fn agree(agreed: &Agreed, query: &Query, verb: Verb) -> Result<Agreed> {
    let mut agreed = *agreed;
    if agreed.encoding == Encoding::Json && query.flag("pretty") {
        agreed.encoding = Encoding::PrettyJson;
    }
    if verb == Verb::Watch {
        // One document per line, and upstream's watch has no YAML form either.
        if agreed.encoding == Encoding::Yaml {
            return Err(ApiError::not_acceptable(&[
                "application/json",
                "application/json;stream=watch",
            ]));
        }
        agreed.encoding = Encoding::Json;
    }
    Ok(agreed)
}

/// An answer with a whole body.
pub(crate) fn respond(code: StatusCode, encoding: Encoding, body: Bytes) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static(encoding.media_type()),
    );
    response
}

impl Call<'_> {
    /// Writes a verb's answer in the agreed form.
    pub(crate) fn render(&self, reply: Reply) -> Response<Body> {
        let Agreed { encoding, target } = self.agreed;
        match reply {
            Reply::Whole(response) => response,
            Reply::Document(code, document) => respond(code, encoding, encoding.encode(&document)),
            Reply::Object(code, served) => {
                let body = match (target, encoding) {
                    (Target::Object, Encoding::Json) => served.json(&self.info),
                    (Target::Table, _) => {
                        let object = &*served.object(&self.info);
                        encoding.encode(&self.tabulator().table(
                            &object["metadata"],
                            [object],
                            self.engine.clock().now(),
                        ))
                    }
                    _ => encoding.encode(&self.object(&served)),
                };
                respond(code, encoding, body)
            }
        }
    }

    /// What makes tables for this request.
    pub(super) fn tabulator(&self) -> Tabulator {
        let tabulator = Tabulator::new(&self.info, self.include);
        match self.query.flag("noHeaders") {
            true => tabulator.without_columns(),
            false => tabulator,
        }
    }

    /// One object in the agreed form, tables apart.
    pub(super) fn object(&self, served: &Served) -> Value {
        match self.agreed.target {
            Target::PartialObjectMetadata => table::partial(served.with_metadata()),
            _ => served.object(&self.info).into_owned(),
        }
    }

    pub(super) fn render_list(&self, selection: &Selection) -> Result<Response<Body>> {
        let Agreed { encoding, target } = self.agreed;
        let mut metadata = json!({"resourceVersion": selection.revision.to_string()});
        if let Some(token) = &selection.next {
            metadata["continue"] = token.as_str().into();
        }
        if let Some(remaining) = selection.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let (kind, api_version) = (self.info.list_kind.as_str(), self.info.gvr.api_version());
        let body = match (target, encoding) {
            (Target::Object, Encoding::Json) => {
                let items: Vec<Bytes> = selection
                    .objects
                    .iter()
                    .map(|served| served.json(&self.info))
                    .collect();
                let head = format!(
                    r#"{{"kind":{},"apiVersion":{},"metadata":{metadata},"items":["#,
                    json!(kind),
                    json!(api_version)
                );
                let size: usize = items.iter().map(|item| item.len() + 1).sum();
                let mut body = BytesMut::with_capacity(head.len() + size + 3);
                body.put_slice(head.as_bytes());
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        body.put_u8(b',');
                    }
                    body.put_slice(item);
                }
                body.put_slice(b"]}\n");
                body.freeze()
            }
            (Target::Table, _) => {
                let objects: Vec<Value> = selection
                    .objects
                    .iter()
                    .map(|served| served.object(&self.info).into_owned())
                    .collect();
                encoding.encode(
                    &self
                        .tabulator()
                        .table(&metadata, &objects, self.engine.clock().now()),
                )
            }
            (Target::PartialObjectMetadataList, _) => encoding.encode(&table::partial_list(
                &metadata,
                selection.objects.iter().map(Served::with_metadata),
            )),
            _ => {
                let items: Vec<Value> = selection
                    .objects
                    .iter()
                    .map(|served| self.object(served))
                    .collect();
                encoding.encode(&json!({
                    "kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items,
                }))
            }
        };
        Ok(respond(StatusCode::OK, encoding, body))
    }
}
