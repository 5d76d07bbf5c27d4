//! Cells of built-in kinds, after upstream's `pkg/printers/internalversion`; the wide columns are always made, since
//! the client leaves out what it does not show.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::{human, since};

type Cells = fn(&Value, Timestamp) -> Vec<Value>;

/// What makes the cells of a kind.
pub(super) fn of(group: &str, kind: &str) -> Option<Cells> {
    Some(match (group, kind) {
        ("admissionregistration.k8s.io", _) => webhooks,
        ("", "ConfigMap") => config_map,
        ("", "Endpoints") => endpoints,
        ("", "Event") => event,
        ("events.k8s.io", "Event") => new_event,
        ("", "LimitRange") => created_at,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => created_at,
        ("", "Namespace") => namespace,
        ("", "Node") => node,
        ("", "PersistentVolume") => persistent_volume,
        ("", "PersistentVolumeClaim") => persistent_volume_claim,
        ("", "Pod") => pod,
        ("", "PodTemplate") => pod_template,
        ("", "ReplicationController") => replication_controller,
        ("", "ResourceQuota") => resource_quota,
        ("", "Secret") => secret,
        ("", "Service") => service,
        ("", "ServiceAccount") => service_account,
        ("apps", "ControllerRevision") => controller_revision,
        ("apps", "DaemonSet") => daemon_set,
        ("apps", "Deployment") => deployment,
        ("apps", "ReplicaSet") => replica_set,
        ("apps", "StatefulSet") => stateful_set,
        ("batch", "CronJob") => cron_job,
        ("batch", "Job") => job,
        ("coordination.k8s.io", "Lease") => lease,
        ("rbac.authorization.k8s.io", "ClusterRole" | "Role") => created_at,
        ("rbac.authorization.k8s.io", _) => role_binding,
        _ => return None,
    })
}

// Values that may be absent.

fn text<'a>(value: &'a Value, absent: &'a str) -> &'a str {
    value.as_str().unwrap_or(absent)
}

/// A text; the replacement where it is absent or empty.
fn or<'a>(value: &'a Value, replacement: &'a str) -> &'a str {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .unwrap_or(replacement)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn count(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

fn webhooks(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = list(&object["webhooks"]).len();
    vec![name(object), json!(count), age(object, now)]
}

fn age(object: &Value, now: Timestamp) -> Value {
    since(object["metadata"]["creationTimestamp"].as_str(), now).into()
}

fn deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    list(&object["status"]["conditions"])
        .iter()
        .find(|condition| condition["type"] == type_)
        .map(|condition| text(&condition["status"], ""))
}

/// `a=b,c=d`, in order of the keys.
fn labels(map: &Value) -> String {
    let pairs: BTreeSet<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", text(value, "")))
        .collect();
    if pairs.is_empty() {
        "<none>".to_owned()
    } else {
        pairs.into_iter().collect::<Vec<_>>().join(",")
    }
}

/// A label selector in its text form, requirements ordered by key.
fn requirements(selector: &Value) -> String {
    let mut parts: Vec<(&str, String)> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), format!("{key}={}", text(value, ""))))
        .collect();
    for expression in list(&selector["matchExpressions"]) {
        let key = text(&expression["key"], "");
        let values: BTreeSet<&str> = list(&expression["values"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let values = values.into_iter().collect::<Vec<_>>().join(",");
        parts.push((
            key,
            match text(&expression["operator"], "") {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.to_owned(),
                _ => format!("!{key}"),
            },
        ));
    }
    parts.sort_by(|a, b| a.0.cmp(b.0));
    parts
        .into_iter()
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join(",")
}

fn selector(selector: &Value) -> String {
    let text = requirements(selector);
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

/// Names and images of containers.
fn containers(template: &Value) -> [Value; 2] {
    ["name", "image"].map(|key| {
        let all: Vec<&str> = list(&template["spec"]["containers"])
            .iter()
            .map(|container| text(&container[key], ""))
            .collect();
        all.join(",").into()
    })
}

/// Cells, then names and images of the template's containers, then what follows them.
fn with_containers(mut cells: Vec<Value>, template: &Value, after: Option<String>) -> Vec<Value> {
    cells.extend(containers(template));
    cells.extend(after.map(Value::String));
    cells
}

// Kinds.

fn config_map(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        json!(count(&object["data"]) + count(&object["binaryData"])),
        age(object, now),
    ]
}

fn secret(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(&object["type"], "").into(),
        json!(count(&object["data"])),
        age(object, now),
    ]
}

fn service_account(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), age(object, now)]
}

fn namespace(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(&object["status"]["phase"], "").into(),
        age(object, now),
    ]
}

fn created_at(object: &Value, _: Timestamp) -> Vec<Value> {
    vec![name(object), object["metadata"]["creationTimestamp"].clone()]
}

fn lease(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(&object["spec"]["holderIdentity"], "").into(),
        age(object, now),
    ]
}

fn role_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let all = list(&object["subjects"]).iter();
        let named: Vec<String> = all
            .filter(|subject| subject["kind"] == kind)
            .map(|subject| match kind {
                "ServiceAccount" => {
                    format!(
                        "{}/{}",
                        text(&subject["namespace"], ""),
                        text(&subject["name"], "")
                    )
                }
                _ => text(&subject["name"], "").to_owned(),
            })
            .collect();
        named.join(", ").into()
    };
    let role = &object["roleRef"];
    vec![
        name(object),
        format!("{}/{}", text(&role["kind"], ""), text(&role["name"], "")).into(),
        age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

fn endpoints(object: &Value, now: Timestamp) -> Vec<Value> {
    const SHOWN: usize = 3;
    let mut all = Vec::new();
    for subset in list(&object["subsets"]) {
        let addresses = || {
            list(&subset["addresses"])
                .iter()
                .map(|address| text(&address["ip"], ""))
        };
        let ports = list(&subset["ports"]);
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            let port = number(&port["port"]);
            all.extend(addresses().map(|ip| match ip.contains(':') {
                true => format!("[{ip}]:{port}"),
                false => format!("{ip}:{port}"),
            }));
        }
    }
    let shown = match all.len() {
        0 if list(&object["subsets"]).is_empty() => "<none>".to_owned(),
        total if total > SHOWN => format!("{} + {} more...", all[..SHOWN].join(","), total - SHOWN),
        _ => all.join(","),
    };
    vec![name(object), shown.into(), age(object, now)]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let source = &object["source"];
    event_cells(
        object,
        now,
        &EventFields {
            regarding: &object["involvedObject"],
            component: or(&source["component"], text(&object["reportingComponent"], "")),
            host: or(&source["host"], text(&object["reportingInstance"], "")),
            message: text(&object["message"], ""),
            first: &object["firstTimestamp"],
            last: &object["lastTimestamp"],
            count: number(&object["count"]),
        },
    )
}

/// The same event as events.k8s.io names its fields.
fn new_event(object: &Value, now: Timestamp) -> Vec<Value> {
    let source = &object["deprecatedSource"];
    event_cells(
        object,
        now,
        &EventFields {
            regarding: &object["regarding"],
            component: or(&source["component"], text(&object["reportingController"], "")),
            host: or(&source["host"], text(&object["reportingInstance"], "")),
            message: text(&object["note"], ""),
            first: &object["deprecatedFirstTimestamp"],
            last: &object["deprecatedLastTimestamp"],
            count: number(&object["deprecatedCount"]),
        },
    )
}

struct EventFields<'a> {
    regarding: &'a Value,
    component: &'a str,
    host: &'a str,
    message: &'a str,
    first: &'a Value,
    last: &'a Value,
    count: i64,
}

fn event_cells(object: &Value, now: Timestamp, fields: &EventFields<'_>) -> Vec<Value> {
    let first = since(
        fields.first.as_str().or_else(|| object["eventTime"].as_str()),
        now,
    );
    let mut last = fields
        .last
        .as_str()
        .map_or_else(|| first.clone(), |stamp| since(Some(stamp), now));
    // An event that happened once has no count in the new API.
    let mut count = fields.count.max(1);
    let series = &object["series"];
    if series.is_object() {
        last = since(series["lastObservedTime"].as_str(), now);
        count = number(&series["count"]);
    }
    let kind = text(&fields.regarding["kind"], "").to_lowercase();
    let target = match or(&fields.regarding["name"], "") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = if fields.host.is_empty() {
        fields.component.to_owned()
    } else {
        format!("{}, {}", fields.component, fields.host)
    };
    vec![
        last.into(),
        text(&object["type"], "").into(),
        text(&object["reason"], "").into(),
        target.into(),
        text(&fields.regarding["fieldPath"], "").into(),
        source.into(),
        fields.message.trim().into(),
        first.into(),
        json!(count),
        name(object),
    ]
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut status = match condition(object, "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object["spec"]["unschedulable"] == true {
        status += ",SchedulingDisabled";
    }
    let roles: BTreeSet<&str> = object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(
            |(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => Some(role),
                None if key == "kubernetes.io/role" => value.as_str(),
                None => None,
            },
        )
        .filter(|role| !role.is_empty())
        .collect();
    let roles = roles.into_iter().collect::<Vec<_>>().join(",");
    let info = &object["status"]["nodeInfo"];
    let address = |type_: &str| -> Value {
        let found = list(&object["status"]["addresses"])
            .iter()
            .find(|address| address["type"] == type_);
        found
            .map_or("<none>", |address| text(&address["address"], ""))
            .into()
    };
    let mut kernel = or(&info["kernelVersion"], "<unknown>").to_owned();
    let architecture = text(&info["architecture"], "");
    if !architecture.is_empty() {
        kernel += &format!(" ({architecture})");
    }
    vec![
        name(object),
        status.into(),
        if roles.is_empty() {
            "<none>".into()
        } else {
            roles.into()
        },
        age(object, now),
        text(&info["kubeletVersion"], "").into(),
        address("InternalIP"),
        address("ExternalIP"),
        or(&info["osImage"], "<unknown>").into(),
        kernel.into(),
        or(&info["containerRuntimeVersion"], "<unknown>").into(),
    ]
}

/// Access modes in their short forms, in a fixed order.
fn access_modes(modes: &Value) -> String {
    [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ]
    .into_iter()
    .filter(|(long, _)| list(modes).iter().any(|mode| mode == long))
    .map(|(_, short)| short)
    .collect::<Vec<_>>()
    .join(",")
}

/// The storage class; the old annotation goes first.
fn storage_class(object: &Value) -> &str {
    let annotation = &object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    annotation
        .as_str()
        .unwrap_or_else(|| text(&object["spec"]["storageClassName"], ""))
}

fn phase(object: &Value) -> &str {
    if deleting(object) {
        "Terminating"
    } else {
        text(&object["status"]["phase"], "")
    }
}

fn persistent_volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let claim = &spec["claimRef"];
    let claim = if claim.is_object() {
        format!("{}/{}", text(&claim["namespace"], ""), text(&claim["name"], ""))
    } else {
        String::new()
    };
    vec![
        name(object),
        text(&spec["capacity"]["storage"], "0").into(),
        access_modes(&spec["accessModes"]).into(),
        text(&spec["persistentVolumeReclaimPolicy"], "").into(),
        phase(object).into(),
        claim.into(),
        storage_class(object).into(),
        text(&spec["volumeAttributesClassName"], "<unset>").into(),
        text(&object["status"]["reason"], "").into(),
        age(object, now),
        text(&spec["volumeMode"], "<unset>").into(),
    ]
}

fn persistent_volume_claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let volume = text(&spec["volumeName"], "");
    let (capacity, modes) = if volume.is_empty() {
        (String::new(), String::new())
    } else {
        (
            text(&status["capacity"]["storage"], "0").to_owned(),
            access_modes(&status["accessModes"]),
        )
    };
    vec![
        name(object),
        phase(object).into(),
        volume.into(),
        capacity.into(),
        modes.into(),
        storage_class(object).into(),
        text(&spec["volumeAttributesClassName"], "<unset>").into(),
        age(object, now),
        text(&spec["volumeMode"], "<unset>").into(),
    ]
}

fn pod_template(object: &Value, _: Timestamp) -> Vec<Value> {
    let template = &object["template"];
    with_containers(
        vec![name(object)],
        template,
        Some(labels(&template["metadata"]["labels"])),
    )
}

fn replicas(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    vec![
        name(object),
        json!(number(&spec["replicas"])),
        json!(number(&status["replicas"])),
        json!(number(&status["readyReplicas"])),
        age(object, now),
    ]
}

fn replication_controller(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    with_containers(
        replicas(object, now),
        &spec["template"],
        Some(labels(&spec["selector"])),
    )
}

fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    with_containers(
        replicas(object, now),
        &spec["template"],
        Some(selector(&spec["selector"])),
    )
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let cells = vec![
        name(object),
        format!(
            "{}/{}",
            number(&status["readyReplicas"]),
            number(&spec["replicas"])
        )
        .into(),
        json!(number(&status["updatedReplicas"])),
        json!(number(&status["availableReplicas"])),
        age(object, now),
    ];
    with_containers(cells, &spec["template"], Some(requirements(&spec["selector"])))
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let ready = format!(
        "{}/{}",
        number(&status["readyReplicas"]),
        number(&spec["replicas"])
    );
    with_containers(
        vec![name(object), ready.into(), age(object, now)],
        &spec["template"],
        None,
    )
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let numbers = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let mut cells = vec![name(object)];
    cells.extend(numbers.map(|key| json!(number(&status[key]))));
    cells.push(labels(&spec["template"]["spec"]["nodeSelector"]).into());
    cells.push(age(object, now));
    with_containers(cells, &spec["template"], Some(selector(&spec["selector"])))
}

fn controller_revision(object: &Value, now: Timestamp) -> Vec<Value> {
    let owner = list(&object["metadata"]["ownerReferences"])
        .iter()
        .find(|owner| owner["controller"] == true);
    let controller = owner.map_or_else(
        || "<none>".to_owned(),
        |owner| {
            let kind = text(&owner["kind"], "").to_lowercase();
            let group = text(&owner["apiVersion"], "")
                .split_once('/')
                .map(|(group, _)| format!(".{group}"));
            format!(
                "{kind}{}/{}",
                group.unwrap_or_default().to_lowercase(),
                text(&owner["name"], "")
            )
        },
    );
    vec![
        name(object),
        controller.into(),
        json!(number(&object["revision"])),
        age(object, now),
    ]
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let succeeded = number(&status["succeeded"]);
    let completions = match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallel @ 2..) => format!("{succeeded}/1 of {parallel}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let stamp = |key: &str| {
        status[key]
            .as_str()
            .and_then(|stamp| stamp.parse::<Timestamp>().ok())
    };
    let duration = stamp("startTime")
        .map(|start| human(stamp("completionTime").unwrap_or(now).duration_since(start)))
        .unwrap_or_default();
    let is = |type_: &str| condition(object, type_) == Some("True");
    let state = if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if deleting(object) {
        "Terminating"
    } else {
        ["Suspended", "FailureTarget", "SuccessCriteriaMet"]
            .into_iter()
            .find(|type_| is(type_))
            .unwrap_or("Running")
    };
    let cells = vec![
        name(object),
        state.into(),
        completions.into(),
        duration.into(),
        age(object, now),
    ];
    with_containers(cells, &spec["template"], Some(selector(&spec["selector"])))
}

fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let last = status["lastScheduleTime"].as_str();
    let job = &spec["jobTemplate"]["spec"];
    let cells = vec![
        name(object),
        text(&spec["schedule"], "").into(),
        text(&spec["timeZone"], "<none>").into(),
        match spec["suspend"].as_bool() {
            Some(true) => "True",
            Some(false) => "False",
            None => "<unset>",
        }
        .into(),
        json!(list(&status["active"]).len()),
        last.map_or_else(|| "<none>".to_owned(), |stamp| since(Some(stamp), now))
            .into(),
        age(object, now),
    ];
    with_containers(cells, &job["template"], Some(selector(&job["selector"])))
}

fn resource_quota(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = &object["status"];
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    // A map of serde_json is ordered by key, as upstream sorts.
    for (resource, hard) in status["hard"].as_object().into_iter().flatten() {
        let entry = format!(
            "{resource}: {}/{}",
            text(&status["used"][resource], "0"),
            text(hard, "0")
        );
        if resource.starts_with("limits.") {
            limits.push(entry);
        } else {
            requests.push(entry);
        }
    }
    vec![
        name(object),
        requests.join(", ").into(),
        limits.join(", ").into(),
        age(object, now),
    ]
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let type_ = text(&spec["type"], "");
    let ports: Vec<String> = list(&spec["ports"])
        .iter()
        .map(|port| {
            let node = number(&port["nodePort"]);
            let node = if node > 0 {
                format!(":{node}")
            } else {
                String::new()
            };
            format!("{}{node}/{}", number(&port["port"]), text(&port["protocol"], ""))
        })
        .collect();
    vec![
        name(object),
        type_.into(),
        list(&spec["clusterIPs"])
            .first()
            .map_or("<none>", |ip| text(ip, ""))
            .into(),
        external_ip(object, type_).into(),
        if ports.is_empty() {
            "<none>".into()
        } else {
            ports.join(",").into()
        },
        age(object, now),
        labels(&spec["selector"]).into(),
    ]
}

fn external_ip(object: &Value, type_: &str) -> String {
    let spec = &object["spec"];
    let mut addresses: Vec<&str> = Vec::new();
    let ingress: BTreeSet<&str> = list(&object["status"]["loadBalancer"]["ingress"])
        .iter()
        .map(|ingress| or(&ingress["ip"], text(&ingress["hostname"], "")))
        .filter(|address| !address.is_empty())
        .collect();
    let none = match type_ {
        "ClusterIP" | "NodePort" => "<none>",
        "LoadBalancer" => {
            addresses.extend(ingress);
            "<pending>"
        }
        "ExternalName" => return text(&spec["externalName"], "").to_owned(),
        _ => return "<unknown>".to_owned(),
    };
    addresses.extend(list(&spec["externalIPs"]).iter().filter_map(Value::as_str));
    if addresses.is_empty() {
        none.to_owned()
    } else {
        addresses.join(",")
    }
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let state = PodState::of(object);
    let mut restarts = state.restarts.to_string();
    if state.restarts != 0
        && let Some(last) = state.last_restart
    {
        restarts += &format!(" ({} ago)", human(now.duration_since(last)));
    }
    let gates = list(&spec["readinessGates"]);
    let open = gates
        .iter()
        .filter(|gate| condition(object, text(&gate["conditionType"], "")) == Some("True"))
        .count();
    vec![
        name(object),
        format!("{}/{}", state.ready, state.total).into(),
        state.reason.into(),
        restarts.into(),
        age(object, now),
        or(&status["podIPs"][0]["ip"], "<none>").into(),
        or(&spec["nodeName"], "<none>").into(),
        or(&status["nominatedNodeName"], "<none>").into(),
        if gates.is_empty() {
            "<none>".into()
        } else {
            format!("{open}/{}", gates.len()).into()
        },
    ]
}

/// What `kubectl get pods` says of a Pod, from its phase and the states of its containers.
struct PodState {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl PodState {
    fn of(pod: &Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let phase = text(&status["phase"], "");
        let mut state = Self {
            reason: or(&status["reason"], phase).to_owned(),
            ready: 0,
            total: list(&spec["containers"]).len(),
            restarts: 0,
            last_restart: None,
        };
        let gated = |condition: &&Value| {
            condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
        };
        if list(&status["conditions"])
            .iter()
            .any(|condition| gated(&condition))
        {
            state.reason = "SchedulingGated".to_owned();
        }
        let sidecars = state.count_init(pod);
        if let Some(sidecars) = sidecars {
            (state.restarts, state.last_restart) = sidecars;
            state.count_containers(pod);
        }
        if deleting(pod) {
            if status["reason"] == "NodeLost" {
                state.reason = "Unknown".to_owned();
            } else if phase != "Succeeded" && phase != "Failed" {
                state.reason = "Terminating".to_owned();
            }
        }
        state
    }

    fn restart(container: &Value, restarts: &mut i64, last: &mut Option<Timestamp>) {
        *restarts = restarts.saturating_add(number(&container["restartCount"]));
        let finished = container["lastState"]["terminated"]["finishedAt"].as_str();
        *last = (*last).max(finished.and_then(|stamp| stamp.parse().ok()));
    }

    /// Init containers; the restarts of sidecars where the Pod is past initialisation.
    fn count_init(&mut self, pod: &Value) -> Option<(i64, Option<Timestamp>)> {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let init = list(&spec["initContainers"]);
        let is_sidecar = |name: &Value| {
            init.iter()
                .any(|container| &container["name"] == name && container["restartPolicy"] == "Always")
        };
        self.total += init
            .iter()
            .filter(|container| container["restartPolicy"] == "Always")
            .count();
        let (mut sidecar_restarts, mut sidecar_last) = (0, None);
        let mut initializing = false;
        for (at, container) in list(&status["initContainerStatuses"]).iter().enumerate() {
            Self::restart(container, &mut self.restarts, &mut self.last_restart);
            let sidecar = is_sidecar(&container["name"]);
            if sidecar {
                Self::restart(container, &mut sidecar_restarts, &mut sidecar_last);
            }
            let (terminated, waiting) = (&container["state"]["terminated"], &container["state"]["waiting"]);
            if terminated.is_object() && number(&terminated["exitCode"]) == 0 {
                continue;
            }
            if sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            self.reason = if terminated.is_object() {
                format!("Init:{}", terminated_reason(terminated))
            } else {
                match or(&waiting["reason"], "PodInitializing") {
                    "PodInitializing" => format!("Init:{at}/{}", init.len()),
                    reason => format!("Init:{reason}"),
                }
            };
            initializing = true;
            break;
        }
        let past = !initializing || condition(pod, "Initialized") == Some("True");
        past.then_some((sidecar_restarts, sidecar_last))
    }

    fn count_containers(&mut self, pod: &Value) {
        let mut running = false;
        let mut error = None;
        for container in list(&pod["status"]["containerStatuses"]).iter().rev() {
            Self::restart(container, &mut self.restarts, &mut self.last_restart);
            let state = &container["state"];
            let waiting = text(&state["waiting"]["reason"], "");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if state["terminated"].is_object() {
                self.reason = terminated_reason(&state["terminated"]);
                if number(&state["terminated"]["exitCode"]) != 0 {
                    error = Some(self.reason.clone());
                }
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        // "Completed" holds only where nothing runs or failed.
        if self.reason == "Completed" {
            if running && condition(pod, "Ready") == Some("True") {
                self.reason = "Running".to_owned();
            } else if let Some(error) = error {
                self.reason = error;
            } else if running {
                self.reason = "NotReady".to_owned();
            }
        }
    }
}

fn terminated_reason(terminated: &Value) -> String {
    match (or(&terminated["reason"], ""), number(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
