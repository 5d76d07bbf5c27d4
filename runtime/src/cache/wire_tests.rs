use std::sync::atomic::{AtomicUsize, Ordering};

use futures::io::BufReader;
use futures::stream::{self, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

fn watch_of<K: Cached>(body: impl AsyncBufRead + Send + 'static) -> Watch<K> {
    Watch::new(body, Trim::default())
}

fn watch_chunks<K: Cached>(chunks: Vec<std::io::Result<Vec<u8>>>) -> Watch<K> {
    watch_of(stream::iter(chunks).into_async_read())
}

fn short<K: Cached>(line: &Line<K>) -> String {
    match line {
        Line::Set(object) => format!("set {}", ObjectKey::of(object)),
        Line::Gone(object) => format!("gone {}", ObjectKey::of(object)),
        Line::Undecodable(key, version) => format!("undecodable {key} {version:?}"),
        Line::GoneUndecodable(key, version) => format!("gone undecodable {key} {version:?}"),
        Line::Bookmark { version, initial_end } => format!("bookmark {version} {initial_end}"),
        Line::Failed(error) => format!("failed {error}"),
    }
}

async fn all<K: Cached>(mut watch: Watch<K>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match watch.lines().await {
            Ok(lines) if lines.is_empty() => return all,
            Ok(lines) => all.extend(lines.iter().map(short)),
            Err(error) => {
                all.push(format!("ended {error}"));
                return all;
            }
        }
    }
}

const TEXT: &str = concat!(
    r#"{"type":"ADDED","object":{"metadata":{"name":"ä","namespace":"n"},"data":{"a":"\n"}}}"#,
    "\n\r\n",
    r#"{"type":"DELETED","object":{"metadata":{"name":"b","namespace":"n"}}}"#,
    "\r\n",
    r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
    "\n",
    r#"{"type":"ADDED","object":{"metadata":{"name":"c"#
);
const LINES: [&str; 3] = ["set n/ä", "gone n/b", "bookmark 7 true"];

#[tokio::test]
async fn lines_survive_any_chunking() {
    for at in 0..=TEXT.len() {
        // An empty chunk would be the end of the body.
        let (before, after) = TEXT.as_bytes().split_at(at);
        let chunks = [before, after].into_iter().filter(|chunk| !chunk.is_empty());
        let watch = watch_chunks::<ConfigMap>(chunks.map(|chunk| Ok(chunk.to_vec())).collect());
        assert_eq!(all(watch).await, LINES, "split at {at}");
    }
    for size in 1..TEXT.len() {
        let watch = watch_of::<ConfigMap>(BufReader::with_capacity(size, TEXT.as_bytes()));
        assert_eq!(all(watch).await, LINES, "{size} bytes at a time");
    }
}

#[tokio::test]
async fn what_came_before_a_break_is_used() {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let watch = watch_chunks::<ConfigMap>(vec![Ok(TEXT.into()), Err(broken)]);
    let mut expected = LINES.map(str::to_owned).to_vec();
    expected.push("ended the connection broke".to_owned());
    assert_eq!(all(watch).await, expected);
}

#[tokio::test]
async fn long_texts_are_decoded_beside_the_runtime() {
    let line =
        |at: usize| format!("{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"a{at}\"}}}}}}\n");
    let text: String = (0..10_000).map(line).collect();
    let lines = all(watch_chunks::<ConfigMap>(vec![Ok(text.into_bytes())])).await;
    assert_eq!(lines.len(), 10_000);
    assert_eq!((&*lines[0], &*lines[9_999]), ("set a0", "set a9999"));
}

/// Nobody takes what was read: reading waits, so that memory is bounded, and goes on where it stopped.
#[tokio::test]
async fn reading_waits_for_who_takes_the_lines() {
    let read = Arc::new(AtomicUsize::new(0));
    let (counted, line) = (Arc::clone(&read), "x".repeat(1 << 15));
    let line = format!("{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"{line}\"}}}}}}\n");
    const LINES: usize = 1 << 8;
    let endless = stream::iter((0..LINES).map(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(line.clone().into_bytes())
    }));
    let mut watch = watch_of::<ConfigMap>(endless.into_async_read());
    let mut lines = watch.lines().await.unwrap().len();
    let most = (AHEAD + 1) * LONG / (1 << 15) + MOST / (1 << 15);
    assert!(
        read.load(Ordering::SeqCst) <= most + 2,
        "{read:?} of at most {most}"
    );
    loop {
        match watch.lines().await.unwrap().len() {
            0 => break,
            more => lines += more,
        }
    }
    assert_eq!(lines, LINES);
}

#[tokio::test]
async fn bare_status_line_is_an_api_error() {
    let status =
        r#"{"kind":"Status","status":"Failure","message":"etcd is away","reason":"Unavailable","code":503}"#;
    let event = format!(r#"{{"type":"ERROR","object":{status}}}"#);
    // A body that ends without the end of its last line, as a proxy's may.
    for text in [format!("{status}\n"), status.to_owned(), event] {
        let mut watch = watch_chunks::<ConfigMap>(vec![Ok(text.clone().into_bytes())]);
        let lines = watch.lines().await.unwrap();
        let [Line::Failed(WireError::Api(status))] = &lines[..] else {
            panic!("{text}: {lines:?}");
        };
        assert_eq!((status.code, &*status.message), (503, "etcd is away"));
    }
    for text in ["{}", "[1]", "no JSON", r#"{"type":"OTHER","object":{}}"#] {
        let lines = all(watch_chunks::<ConfigMap>(vec![Ok(
            format!("{text}\n").into_bytes()
        )]))
        .await;
        assert_eq!(lines, ["failed the answer is no watch event"], "{text}");
    }
}

#[tokio::test]
async fn an_undecodable_deletion_still_has_its_key() {
    let object = r#"{"metadata":{"name":"a","namespace":"n","resourceVersion":"5"},"data":7}"#;
    let text = format!(
        "{{\"type\":\"DELETED\",\"object\":{object}}}\n{{\"type\":\"MODIFIED\",\"object\":{object}}}\n"
    );
    let lines = all(watch_chunks::<ConfigMap>(vec![Ok(text.into_bytes())])).await;
    let version = "n/a Some(ResourceVersion(\"5\"))";
    assert_eq!(
        lines,
        [
            format!("gone undecodable {version}"),
            format!("undecodable {version}")
        ]
    );
}

/// A kind whose decoder panics at one value.
#[derive(Clone, Debug, serde::Serialize, Deserialize)]
struct Fussy {
    metadata: kube::core::ObjectMeta,
    #[serde(deserialize_with = "fuss")]
    data: String,
}

fn fuss<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let data = String::deserialize(deserializer)?;
    assert_ne!(data, "bad", "as the test wants it");
    Ok(data)
}

impl kube::Resource for Fussy {
    type DynamicType = ();
    type Scope = crate::kind::Namespaced;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "Fussy".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "test.kubewright.dev".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "fussies".into()
    }

    fn meta(&self) -> &kube::core::ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
        &mut self.metadata
    }
}

/// The invariant of this module.
#[tokio::test]
async fn a_decoder_that_panics_costs_one_object() {
    let object = |name: &str, data: &str| format!(r#"{{"metadata":{{"name":"{name}"}},"data":"{data}"}}"#);
    let (a, b, c) = (object("a", "good"), object("b", "bad"), object("c", "good"));
    let events = [&a, &b, &c].map(|object| format!("{{\"type\":\"ADDED\",\"object\":{object}}}\n"));
    let lines = all(watch_chunks::<Fussy>(vec![Ok(events.concat().into_bytes())])).await;
    assert_eq!(lines, ["set a", "undecodable b None", "set c"]);

    let list = format!(r#"{{"items":[{a},{b},{c}]}}"#);
    let list: RawList<'_> = serde_json::from_str(&list).unwrap();
    let intake = crate::cache::reflector::Sink::intake(&crate::cache::Store::<Fussy>::new());
    let decoded = decode_items::<Fussy>(&list.items.unwrap(), Trim::default(), &*intake);
    let names: Vec<_> = decoded
        .objects
        .iter()
        .map(|object| object.entry().identity().name.to_owned())
        .collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(decoded.undecodable, [ObjectKey::cluster("b")]);
}
