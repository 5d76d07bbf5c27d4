//! From a definition that was applied to one that is served.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiext;
use kube::Api;
use tokio::time::Instant;

use super::InstallationError;

/// How often the server is asked. It takes a few milliseconds, and some seconds where servers are several.
const POLL: Duration = Duration::from_millis(100);
/// How long names may stay refused: by a condition that is older than what was applied, or by a definition that is just
/// being deleted.
const REFUSED: Duration = Duration::from_secs(5);

/// Waits until the server says that it serves the definition.
pub(super) async fn wait(
    client: &kube::Client,
    name: &str,
    timeout: Duration,
) -> Result<(), InstallationError> {
    let api: Api<apiext::CustomResourceDefinition> = Api::all(client.clone());
    let begin = Instant::now();
    loop {
        let definition = api
            .get_opt(name)
            .await
            .map_err(|source| InstallationError::Read {
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        let late = begin.elapsed() >= timeout;
        match &definition {
            Some(definition)
                if is_true(definition, "Established") && is_true(definition, "NamesAccepted") =>
            {
                return Ok(());
            }
            Some(definition) if late || begin.elapsed() >= REFUSED => {
                if let Some(message) = message_of(definition, "NamesAccepted") {
                    return Err(InstallationError::Names {
                        name: name.to_owned(),
                        message,
                    });
                }
            }
            _ => {}
        }
        if late {
            let message = match &definition {
                None => "it was deleted".to_owned(),
                Some(definition) => message_of(definition, "Established").unwrap_or_else(|| {
                    "it has no condition yet; is the API server's controller at work?".to_owned()
                }),
            };
            return Err(InstallationError::Established {
                name: name.to_owned(),
                timeout,
                message,
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn condition<'a>(
    definition: &'a apiext::CustomResourceDefinition,
    kind: &str,
) -> Option<&'a apiext::CustomResourceDefinitionCondition> {
    let conditions = definition.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn is_true(definition: &apiext::CustomResourceDefinition, kind: &str) -> bool {
    condition(definition, kind).is_some_and(|condition| condition.status == "True")
}

/// What a condition says that is false.
fn message_of(definition: &apiext::CustomResourceDefinition, kind: &str) -> Option<String> {
    let condition = condition(definition, kind).filter(|condition| condition.status == "False")?;
    let reason = condition.reason.as_deref().unwrap_or("no reason");
    Some(match condition.message.as_deref() {
        Some(message) if !message.is_empty() => format!("{message} ({reason})"),
        _ => reason.to_owned(),
    })
}
