//! What may be said of an answer that does not fit its type, and of one that is a refusal.
//!
//! **Invariant:** no value of a Secret stands in an error, and so neither in a log nor in an Event: serde's words quote what
//! they found, and a server's the whole object where a patch has made it something else.

use std::any::TypeId;

use kube::Resource;
use kube::core::Status;
use serde::de::Error as _;

use crate::cache::kind_name;

/// Whether objects of the type are Secrets, or may be as their kind is known at run time alone.
fn is_secret<K: Resource>() -> bool {
    TypeId::of::<K::DynamicType>() != TypeId::of::<()>() || kind_name::<K>() == "Secret"
}

/// serde's words about an object; of a Secret the place alone.
pub(crate) fn misfit<K: Resource>(error: serde_json::Error) -> serde_json::Error {
    if !is_secret::<K>() {
        return error;
    }
    let (line, column) = (error.line(), error.column());
    serde_json::Error::custom(format_args!(
        "what stands at line {line} column {column} does not fit; of what may be a Secret no more is said"
    ))
}

/// What a server said that refused a request; whatever is no `Status`, as of a proxy, becomes the message of one.
pub(crate) fn refusal<K: Resource>(text: &str, code: u16) -> Status {
    let mut status = serde_json::from_str::<Status>(text)
        .unwrap_or_else(|_| Status::failure(text.trim(), "Failed to parse error data").with_code(code));
    if is_secret::<K>() {
        status.message = without_values(&status.message);
        let causes = status.details.iter_mut().flat_map(|details| &mut details.causes);
        for cause in causes {
            cause.message = without_values(&cause.message);
        }
    }
    status
}

/// Leaves out a value that is a whole object, with what is said after it, which may quote it again.
fn without_values(message: &str) -> String {
    const BEFORE: &str = "Invalid value: \"{";
    match message.split_once(BEFORE) {
        Some((before, _)) => format!("{before}Invalid value: <secret contents omitted>"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use kube::core::DynamicObject;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn told<K: Resource + DeserializeOwned>(json: &str) -> String {
        let error = serde_json::from_str::<K>(json).err().unwrap();
        misfit::<K>(error).to_string()
    }

    #[test]
    fn a_secrets_values_are_not_quoted() {
        let json = r#"{"data": {"password": 81726354}}"#;
        assert_eq!(
            told::<Secret>(json),
            "what stands at line 1 column 30 does not fit; of what may be a Secret no more is said"
        );
        assert!(told::<ConfigMap>(json).contains("81726354"));
        let json = r#"{"metadata": {"annotations": {"applied": 81726354}}}"#;
        assert!(!told::<DynamicObject>(json).contains("81726354"));
    }

    #[test]
    fn a_refusal_stays_as_it_is_but_for_a_whole_secret() {
        let said = |message: &str| {
            let cause = json!({"reason": "FieldValueInvalid", "message": message, "field": "patch"});
            json!({
                "kind": "Status", "status": "Failure", "reason": "Invalid", "code": 422,
                "message": format!("\"\" is invalid: patch: {message}"), "details": {"causes": [cause]},
            })
            .to_string()
        };
        let whole = r#"Invalid value: "{\"data\":{\"a\":\"cGFzcw==\"}}": illegal base64 data"#;
        let status = refusal::<Secret>(&said(whole), 422);
        assert!(!format!("{status:?}").contains("cGFzcw=="), "{status:?}");
        assert_eq!(
            status.message,
            r#""" is invalid: patch: Invalid value: <secret contents omitted>"#
        );
        assert!(status.is_invalid());
        let other = refusal::<ConfigMap>(&said(whole), 422);
        assert_eq!(other, serde_json::from_str(&said(whole)).unwrap());
        let key =
            r#"data[a!]: Invalid value: "a!": a valid config key must consist of alphanumeric characters"#;
        assert!(refusal::<Secret>(&said(key), 422).message.ends_with(key));

        let proxy = refusal::<Secret>(" <html>busy</html>\n", 502);
        assert_eq!((proxy.code, proxy.message.as_str()), (502, "<html>busy</html>"));
    }
}
