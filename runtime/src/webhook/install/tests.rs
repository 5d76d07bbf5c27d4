//! What is planned, and what a webhook must answer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::*;

/// A definition by its versions: name, served, storage.
fn definition(versions: &[(&str, bool, bool)]) -> apiext::CustomResourceDefinition {
    let version = |(name, served, storage): &(&str, bool, bool)| apiext::CustomResourceDefinitionVersion {
        name: (*name).to_owned(),
        served: *served,
        storage: *storage,
        ..apiext::CustomResourceDefinitionVersion::default()
    };
    apiext::CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some("sites.web.example.com".to_owned()),
            ..ObjectMeta::default()
        },
        spec: apiext::CustomResourceDefinitionSpec {
            group: "web.example.com".to_owned(),
            versions: versions.iter().map(version).collect(),
            ..apiext::CustomResourceDefinitionSpec::default()
        },
        ..apiext::CustomResourceDefinition::default()
    }
}

fn planned(
    live: Option<&apiext::CustomResourceDefinition>,
    wanted: &apiext::CustomResourceDefinition,
    storage: Storage,
) -> Result<(String, Option<String>), String> {
    let plan = plan(live, wanted, storage).map_err(|error| error.to_string())?;
    let count = plan
        .definition
        .spec
        .versions
        .iter()
        .filter(|version| version.storage)
        .count();
    assert_eq!(count, 1);
    Ok((stored(&plan.definition).unwrap().to_owned(), plan.pending))
}

#[test]
fn ver_40_the_storage_version_is_never_one_that_was_not_served_before() {
    let old = definition(&[("v1alpha1", true, true)]);
    let both = definition(&[("v1", true, false), ("v1alpha1", true, true)]);
    let unserved = definition(&[("v1", false, false), ("v1alpha1", true, true)]);
    let new = definition(&[("v1", true, true), ("v1alpha1", true, false)]);
    let without = definition(&[("v1", true, true)]);
    let stays = || Ok(("v1alpha1".to_owned(), Some("v1".to_owned())));
    let moves = || Ok(("v1".to_owned(), None));
    for (live, wanted, storage, expected) in [
        // A new definition has no objects.
        (None, &new, Storage::Keep, moves()),
        (Some(&old), &new, Storage::Keep, stays()),
        (Some(&old), &new, Storage::Move, stays()),
        (Some(&both), &new, Storage::Keep, stays()),
        (Some(&unserved), &new, Storage::Move, stays()),
        (Some(&both), &new, Storage::Move, moves()),
        (Some(&new), &new, Storage::Keep, moves()),
        (
            Some(&old),
            &without,
            Storage::Move,
            Err(
                "sites.web.example.com is stored as v1alpha1, which the new definition lacks; keep the version until \
                 its objects are migrated"
                    .to_owned(),
            ),
        ),
    ] {
        assert_eq!(planned(live, wanted, storage), expected);
    }
    let none = definition(&[("v1", true, false)]);
    let error = planned(None, &none, Storage::Keep).unwrap_err();
    assert_eq!(error, "the definition has no name, or no storage version");
}

#[test]
fn ver_35_what_is_applied_has_no_bundle_but_the_first_time() {
    let mut definition = definition(&[("v1", true, true)]);
    let endpoint = super::super::Endpoint::service("system", "hooks");
    definition.spec.conversion = Some(endpoint.conversion());
    let webhook = definition
        .spec
        .conversion
        .as_mut()
        .unwrap()
        .webhook
        .as_mut()
        .unwrap();
    webhook.client_config.as_mut().unwrap().ca_bundle = Some(k8s_openapi::ByteString(b" ".to_vec()));
    definition.metadata.resource_version = Some("1".to_owned());
    let patch = patch(&definition, None).unwrap();
    assert_eq!(
        patch.pointer("/spec/conversion/webhook/clientConfig/caBundle"),
        None
    );
    assert_eq!(
        patch
            .pointer("/spec/conversion/webhook/clientConfig/service/name")
            .unwrap(),
        "hooks"
    );
    assert_eq!(
        patch["metadata"],
        serde_json::json!({"name": "sites.web.example.com"})
    );
}
