//! The scale subresource: a view of three fields of its parent (API-62).

use bytes::Bytes;
use http::StatusCode;
use kubewright_schema::{ErrorKind, FieldError};
use serde_json::{Value, json};

use super::patch::read_config;
use super::pipeline::Door;
use super::{Call, Reply, meta, path, typed};
use crate::engine::decode;
use crate::engine::path::Verb;
use crate::engine::query::{DryRun, WriteOptions};
use crate::registry::ScalePaths;
use crate::status::{ApiError, Result};

/// How a scale is written.
#[derive(Clone, Copy)]
enum Write<'a> {
    Put(&'a Value),
    Patch(&'a Bytes),
    Apply(&'a Value),
}

impl Call<'_> {
    pub(super) async fn scale(&mut self, body: &Bytes) -> Result<Reply> {
        let Some(paths) = self.info.scale.clone() else {
            return Err(ApiError::path_not_found());
        };
        match self.verb {
            Verb::Get => {
                let entry = self.load(self.name()).await?;
                let served = self.engine.served(&self.info, entry).await?;
                let scale = self.view(&served.object(&self.info), &paths)?;
                Ok(Reply::Document(StatusCode::OK, scale))
            }
            Verb::Update => {
                let options = WriteOptions::parse(&self.query, "UpdateOptions")?;
                let wanted = decode::decode(&self.headers, body)?.value;
                self.write_scale(&paths, &options, Write::Put(&wanted)).await
            }
            Verb::Patch => {
                let options = self.patch_options()?;
                if self.applies() {
                    let config = read_config(body)?.value;
                    return self.write_scale(&paths, &options, Write::Apply(&config)).await;
                }
                self.write_scale(&paths, &options, Write::Patch(body)).await
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    async fn write_scale(
        &mut self,
        paths: &ScalePaths,
        options: &WriteOptions,
        write: Write<'_>,
    ) -> Result<Reply> {
        let reply = self
            .change(Door::Scale, options, |call, parent| {
                let mut scale = call.view(parent, paths)?;
                call.scale_owners(parent, &mut scale);
                let mut wanted = match write {
                    Write::Put(wanted) => wanted.clone(),
                    Write::Patch(body) => call.apply_to(body, &scale)?,
                    Write::Apply(config) => call.apply_scale(&scale, config, options)?,
                };
                typed::read_scale(&mut wanted)
                    .map_err(|why| call.type_cannot_hold("Scale", "v1", &why, &wanted))?;
                call.check_scale(&wanted)?;
                if !matches!(write, Write::Apply(_)) {
                    call.track_scale(&scale, &mut wanted, options);
                }
                let mut wanted = call.admitted_scale(&scale, wanted, options.dry_run)?;
                typed::read_scale(&mut wanted)
                    .map_err(|why| call.type_cannot_hold("Scale", "v1", &why, &wanted))?;
                call.check_scale(&wanted)?;
                let owners = call.owners_after_scale(parent, &wanted);
                let mut parent = parent.clone();
                owners.write(&mut parent);
                // Go's zero value for what is absent or null.
                let replicas = path::get(&wanted, ".spec.replicas")
                    .cloned()
                    .unwrap_or_else(|| json!(0));
                if !path::set(&mut parent, &paths.spec_replicas, replicas) {
                    return Err(ApiError::internal(format!(
                        "{} is not reachable",
                        paths.spec_replicas
                    )));
                }
                // The scale's version and uid are its parent's, and so are its preconditions.
                for field in ["resourceVersion", "uid"] {
                    let value = meta::text(&wanted, field);
                    if !value.is_empty() {
                        parent["metadata"][field] = value.into();
                    }
                }
                Ok(parent)
            })
            .await?;
        match reply {
            Reply::Object(code, served) => {
                let mut scale = self.view(&served.object(&self.info), paths)?;
                if options.dry_run == DryRun::All && scale["metadata"]["resourceVersion"].is_null() {
                    scale["metadata"]["resourceVersion"] = served.entry().revision.to_string().into();
                }
                Ok(Reply::Document(code, scale))
            }
            other => Ok(other),
        }
    }

    fn view(&self, parent: &Value, paths: &ScalePaths) -> Result<Value> {
        let replicas = match path::get(parent, &paths.spec_replicas) {
            Some(value) => value.clone(),
            // Typed kinds have a zero or a default there; custom ones have nothing to show.
            None if !self.info.is_custom() => json!(1),
            None => {
                return Err(ApiError::internal(format!(
                    "the spec replicas field {:?} does not exist",
                    paths.spec_replicas
                )));
            }
        };
        let mut metadata = json!({});
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = parent["metadata"].get(field) {
                metadata[field] = value.clone();
            }
        }
        let mut status = json!({"replicas": path::get(parent, &paths.status_replicas).cloned().unwrap_or_else(|| json!(0))});
        let selector = paths.label_selector.as_ref().and_then(|at| path::get(parent, at));
        if let Some(text) = selector.and_then(selector_text).filter(|text| !text.is_empty()) {
            status["selector"] = text.into();
        }
        Ok(json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
            "spec": {"replicas": replicas}, "status": status,
        }))
    }

    fn check_scale(&self, wanted: &Value) -> Result<()> {
        let text = |field: &str| wanted.get(field).and_then(Value::as_str).unwrap_or_default();
        if !matches!(
            (text("kind"), text("apiVersion")),
            ("Scale", "autoscaling/v1") | ("", "") | ("Scale", "")
        ) {
            return Err(ApiError::bad_request(format!(
                "{} in version {:?} cannot be handled as a Scale: expected kind Scale of autoscaling/v1",
                text("kind"),
                text("apiVersion")
            )));
        }
        let name = meta::text(wanted, "name");
        if !name.is_empty() && name != self.name() {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                self.name()
            )));
        }
        match path::get(wanted, ".spec.replicas") {
            Some(count) if count.as_i64().is_some_and(|count| count < 0) => {
                let fault = FieldError::new(
                    ErrorKind::Invalid,
                    "spec.replicas",
                    count.clone(),
                    "must be greater than or equal to 0",
                );
                let subject = crate::status::Subject {
                    group: "autoscaling",
                    resource: "Scale",
                };
                Err(ApiError::invalid(subject, self.name(), &[fault]))
            }
            _ => Ok(()),
        }
    }
}

/// A selector as text: it is one already, or a plain map, or a LabelSelector.
fn selector_text(selector: &Value) -> Option<String> {
    if let Some(text) = selector.as_str() {
        return Some(text.to_owned());
    }
    let map = selector.as_object()?;
    let labels = match map.get("matchLabels") {
        Some(labels) => labels.as_object()?.clone(),
        None if map.contains_key("matchExpressions") => serde_json::Map::new(),
        None => map.clone(),
    };
    let mut terms: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for expression in map
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let key = expression.get("key")?.as_str()?;
        let values = || {
            let mut values: Vec<&str> = expression
                .get("values")?
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            values.sort_unstable();
            Some(values.join(","))
        };
        terms.push(match expression.get("operator")?.as_str()? {
            "In" => format!("{key} in ({})", values()?),
            "NotIn" => format!("{key} notin ({})", values()?),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    Some(terms.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_62_selectors_become_text() {
        let text = |selector: Value| selector_text(&selector);
        assert_eq!(text(json!("a=b")).as_deref(), Some("a=b"));
        assert_eq!(text(json!({"a": "b"})).as_deref(), Some("a=b"));
        let full = json!({
            "matchLabels": {"a": "b"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["e", "d"]}, {"key": "f", "operator": "DoesNotExist"}
            ],
        });
        assert_eq!(text(full).as_deref(), Some("a=b,c in (d,e),!f"));
    }
}
