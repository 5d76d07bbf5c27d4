//! POST to a collection.

use http::StatusCode;
use kubewright_schema::{ErrorKind, FieldError};
use serde_json::{Value, json};

use super::pipeline::{Accepted, Door};
use super::{Call, Reply, convert, is_race, meta};
use crate::admission::Operation;
use crate::engine::decode::Decoded;
use crate::engine::query::{DryRun, WriteOptions};
use crate::status::{ApiError, Result};
use crate::storage::{Entry, StorageError};

/// What generated names end with: no vowels and no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// A base is cut so that five more characters make 63.
const BASE_LIMIT: usize = 58;
/// How often a taken generated name is replaced by a fresh one, as upstream.
const ATTEMPTS: usize = 8;

impl Call<'_> {
    pub(super) async fn create(&mut self, decoded: Decoded, options: WriteOptions) -> Result<Reply> {
        let Accepted { mut object, warnings } = self.accept(decoded, &options)?;
        self.warnings.extend(warnings);
        let accepted = object;
        object = self
            .converting(|call| {
                let mut object = accepted.clone();
                call.track(None, &mut object, Door::Main, &options);
                Ok(object)
            })
            .await?;
        self.create_accepted(object, &options).await
    }

    /// Creates an object that was accepted, with its owners.
    pub(super) async fn create_accepted(
        &mut self,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Reply> {
        if !meta::text(&object, "resourceVersion").is_empty() {
            return Err(ApiError::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let namespace = self.check_namespace(meta::text(&object, "name")).await?;
        object = self
            .mutate(Operation::Create, None, object, options.dry_run)
            .await?;
        let generate = match (meta::text(&object, "name"), meta::text(&object, "generateName")) {
            ("", "") => {
                let fault = FieldError::new(
                    ErrorKind::Required,
                    "metadata.name",
                    None,
                    "name or generateName is required",
                );
                return Err(ApiError::invalid(self.kind(), "", &[fault]));
            }
            ("", base) => Some(base.to_owned()),
            _ => None,
        };
        self.prepare_create(&mut object);
        for attempt in 1.. {
            if let Some(base) = &generate {
                object["metadata"]["name"] = generated(base).into();
            }
            let strategy = self.engine.strategy(&self.info);
            let mut stored = object.clone();
            if !self.info.is_custom() {
                convert::to_storage(&mut stored, &self.info);
            }
            strategy.prepare_for_create(&mut stored);
            // Before rules that take time in proportion.
            self.fit(&mut stored)?;
            let as_served = self.as_served(&stored);
            self.validate(&as_served, None, Door::Main)?;
            self.admit(Operation::Create, None, &as_served, options.dry_run)
                .await?;
            let stored = self.to_storage(stored).await?;
            if attempt == 1 {
                self.warnings.extend(strategy.warnings(&stored, None));
            }
            let name = meta::text(&stored, "name").to_owned();
            let key = self.key(&name);
            let outcome = match options.dry_run {
                DryRun::No => {
                    let ttl = strategy.ttl();
                    self.engine.storage().create(&key, stored, ttl).await
                }
                DryRun::All => match self.engine.storage().get(&key).await {
                    Ok(None) => {
                        let mut made = Entry::new(key.as_str().into(), stored, 0);
                        if let Some(metadata) = meta::of(&mut made.value) {
                            metadata.remove("resourceVersion");
                        }
                        return self.reply(StatusCode::CREATED, made.into()).await;
                    }
                    Ok(Some(_)) => Err(StorageError::Exists { key }),
                    Err(error) => Err(error),
                },
            };
            match outcome {
                Ok(entry) => {
                    self.check_still_open(namespace.as_deref(), &entry).await?;
                    strategy.stored(self.engine, &entry.value);
                    return self.reply(StatusCode::CREATED, entry).await;
                }
                Err(StorageError::Exists { .. }) if generate.is_some() && attempt < ATTEMPTS => {}
                Err(error) => return Err(self.storage_error(&name, error)),
            }
        }
        Err(ApiError::internal("no name was generated"))
    }

    /// Takes a new object back where the deletion of its namespace began meanwhile: whoever empties the namespace may
    /// have looked before it was there.
    async fn check_still_open(&self, namespace: Option<&Entry>, made: &Entry) -> Result<()> {
        let Some(namespace) = namespace else { return Ok(()) };
        let storage = self.engine.storage();
        let now = storage.get(&namespace.key).await;
        let now = now.map_err(|error| self.storage_error("", error))?;
        if now.is_some_and(|now| now.revision == namespace.revision || !meta::is_deleting(&now.value)) {
            return Ok(());
        }
        // Changed or gone already: then others know of it and see to it.
        let undone = storage.delete(&made.key, made.value.clone(), made.revision).await;
        if let Err(error) = undone
            && !is_race(&error)
        {
            return Err(self.storage_error("", error));
        }
        self.check_namespace(meta::text(&made.value, "name"))
            .await
            .map(drop)
    }

    /// What the server owns, and what a create may not bring (API-24).
    fn prepare_create(&self, object: &mut Value) {
        let strategy = self.engine.strategy(&self.info);
        if let Some(metadata) = meta::of(object) {
            metadata.remove("deletionTimestamp");
            metadata.remove("deletionGracePeriodSeconds");
            metadata.remove("generation");
            metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
            metadata.insert("creationTimestamp".into(), self.engine.clock().now_text().into());
            if strategy.has_generation(&self.info) {
                metadata.insert("generation".into(), json!(1));
            }
        }
        if self.info.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }
}

fn generated(base: &str) -> String {
    // Cut at a character, not inside one: the name is refused by its own rule then.
    let cut = base
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= BASE_LIMIT)
        .last();
    let mut name = base[..cut.unwrap_or(0)].to_owned();
    // A version 4 UUID has 122 random bits; five letters need fewer than 24.
    let mut random = uuid::Uuid::new_v4().as_u128() & u128::from(u64::MAX >> 2);
    let letters = ALPHABET.len() as u128;
    for _ in 0..5 {
        name.push(char::from(
            ALPHABET[usize::try_from(random % letters).unwrap_or(0)],
        ));
        random /= letters;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_23_generated_names() {
        let name = generated(&"a".repeat(70));
        assert_eq!(name.len(), 63);
        assert!(name[58..].bytes().all(|c| ALPHABET.contains(&c)));
        assert_eq!(generated("b-").len(), 7);
        assert!(generated("ä".repeat(40).as_str()).len() <= 63);
        let distinct: std::collections::HashSet<_> = (0..1000).map(|_| generated("c-")).collect();
        assert!(distinct.len() > 990);
    }
}
