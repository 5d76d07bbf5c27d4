//! What the server does with Foos that are wrong (SC-21 to SC-24).

use kubewright::CustomResourceExt;
use kubewright::controller::{Action, Reconciler};
use kubewright::kind::ObjectKey;
use kubewright::kube::api::{Api, DynamicObject, PostParams};
use kubewright::kube::core::{ApiResource, Status};
use kubewright::kube::{Client, Error};
use sample_controller::api::{Foo, FooStatus};
use sample_controller::controller::{Clients, FooReconciler, StatusDoor};
use serde_json::{Value, json};

use crate::golden::PlainFoo;
use crate::harness::World;

fn dynamic(client: Client) -> Api<DynamicObject> {
    Api::default_namespaced_with(client, &Foo::api_resource())
}

fn object(spec: &Value) -> DynamicObject {
    DynamicObject::new("foo", &Foo::api_resource()).data(json!({ "spec": spec }))
}

async fn refused(world: &World, spec: Value) -> Box<Status> {
    match dynamic(world.server.client())
        .create(&PostParams::default(), &object(&spec))
        .await
    {
        Err(Error::Api(status)) => status,
        other => panic!("{spec} was answered with {other:?}"),
    }
}

#[tokio::test]
async fn sc_21_replicas_outside_of_their_bounds_or_type_are_refused() {
    let world = World::new().await;
    for wrong in [json!(0), json!(11), json!("3"), json!(1.5)] {
        let status = refused(&world, json!({"replicas": wrong})).await;
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"), "{wrong}");
        let causes = status
            .details
            .as_ref()
            .map(|details| details.causes.clone())
            .unwrap_or_default();
        assert!(
            causes.iter().any(|cause| cause.field == "spec.replicas"),
            "{wrong}: {causes:?}"
        );
    }
}

#[tokio::test]
async fn sc_21_null_is_dropped() {
    let world = World::new().await;
    let created = dynamic(world.server.client())
        .create(
            &PostParams::default(),
            &object(&json!({"deploymentName": "web", "replicas": null})),
        )
        .await
        .unwrap();
    assert_eq!(created.data["spec"], json!({"deploymentName": "web"}));
}

#[tokio::test]
async fn sc_22_an_unknown_field_is_pruned_or_refused_when_strict() {
    let world = World::new().await;
    let api = dynamic(world.server.client());
    let spec = json!({"deploymentName": "web", "colour": "red"});
    let uri = "/apis/samplecontroller.k8s.io/v1alpha1/namespaces/default/foos?fieldValidation=Strict";
    let strict = http::Request::post(uri)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&object(&spec)).unwrap())
        .unwrap();
    let Err(Error::Api(status)) = world.server.client().request::<DynamicObject>(strict).await else {
        panic!("accepted an unknown field");
    };
    assert_eq!(status.code, 400);
    assert!(
        status.message.contains("unknown field \"spec.colour\""),
        "{}",
        status.message
    );

    let created = api.create(&PostParams::default(), &object(&spec)).await.unwrap();
    assert_eq!(created.data["spec"], json!({"deploymentName": "web"}));
}

#[tokio::test]
async fn sc_23_each_door_writes_its_own_half() {
    let world = World::new().await;
    let api = dynamic(world.server.client());
    let mut wanted = object(&json!({"deploymentName": "web"}));
    wanted.data["status"] = json!({"availableReplicas": 9});
    let created = api.create(&PostParams::default(), &wanted).await.unwrap();
    assert_eq!(created.data.get("status"), None);
    assert_eq!(created.metadata.generation, Some(1));

    let foos = world.clients.foos().namespace("default");
    let mut foo = foos.get("foo").await.unwrap();
    foo.status = Some(FooStatus {
        available_replicas: Some(9),
    });
    foo.spec.replicas = Some(4);
    let updated = foos.update(&foo).await.unwrap();
    assert_eq!((updated.status.clone(), updated.spec.replicas), (None, Some(4)));
    assert_eq!(updated.metadata.generation, Some(2));

    foo = updated;
    foo.status = Some(FooStatus {
        available_replicas: Some(3),
    });
    foo.spec.replicas = Some(8);
    let updated = foos.status().update(&foo).await.unwrap();
    assert_eq!(
        updated.status.and_then(|status| status.available_replicas),
        Some(3)
    );
    assert_eq!(updated.spec.replicas, Some(4));
    assert_eq!(updated.metadata.generation, Some(2));
}

#[tokio::test]
async fn sc_24_without_the_subresource_there_is_one_door() {
    let server = kubewright_apiserver::DevServer::start().await.unwrap();
    server.install_crds([PlainFoo::crd()]).await.unwrap();

    let resource: ApiResource = PlainFoo::api_resource();
    let api: Api<DynamicObject> = Api::default_namespaced_with(server.client(), &resource);
    let object = DynamicObject::new("foo", &resource)
        .data(json!({"spec": {"replicas": 1}, "status": {"availableReplicas": 2}}));
    let created = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(created.data["status"], json!({"availableReplicas": 2}));
    assert!(matches!(api.get_status("foo").await, Err(Error::Api(status)) if status.code == 404));
}

#[tokio::test]
async fn sc_24_the_controller_then_uses_the_main_update() {
    let server = kubewright_apiserver::DevServer::start().await.unwrap();
    let world = World::on(server, PlainFoo::crd()).await;
    world.create_foo("foo", "web", Some(1)).await;

    let caches = world.stale_context().await;
    let reconciler =
        FooReconciler::new(&Clients::new(world.controller_client())).status_through(StatusDoor::Main);
    let key = ObjectKey::namespaced("default", "foo");
    assert_eq!(reconciler.reconcile(&key, &caches).await.unwrap(), Action::done());
    assert_eq!(world.writes(), ["create deployments", "update foos"]);
    assert_eq!(world.available("foo").await, Some(0));
}
