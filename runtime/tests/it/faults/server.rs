//! A server that keeps a history, and breaks off its answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tower::service_fn;

/// How an answer ends before its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// As a connection that is reset.
    Reset,
    /// As if it were whole, as behind some proxies.
    End,
}

/// What is wrong with the answer to one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    None,
    /// Its body breaks off after so many bytes.
    Cut(usize, Cut),
    /// After so many bytes the history before the present version is forgotten, and the watch says so.
    Compacted(usize),
    /// It never comes.
    Silence,
}

/// What happened, by its version: name and object, or that it is gone.
pub(super) type Happened = (u64, String, Option<Value>);

pub(super) type Meanwhile = Arc<dyn Fn(&mut History) + Send + Sync>;

#[derive(Default)]
pub(super) struct History {
    pub(super) happened: Vec<Happened>,
    pub(super) objects: BTreeMap<String, Value>,
    pub(super) version: u64,
    /// Older versions are forgotten.
    pub(super) compacted: u64,
    /// Whether a watch at a forgotten version is answered with 200 and an event, as by some servers.
    pub(super) as_event: bool,
    /// Which of its lives the server is in, whose data is not that of the last one.
    pub(super) life: u32,
    /// How often all connections were broken.
    pub(super) breaks: u32,
    pub(super) faults: VecDeque<Fault>,
    pub(super) asked: Vec<String>,
    /// Done before each page is answered.
    pub(super) meanwhile: Option<Meanwhile>,
}

impl History {
    pub(super) fn set(&mut self, name: &str) {
        self.version += 1;
        let version = self.version.to_string();
        let uid = match self.objects.get(name) {
            Some(object) => object["metadata"]["uid"].clone(),
            None => json!(format!("{}-{version}", self.life)),
        };
        let object = json!({"metadata": {"name": name, "uid": uid, "resourceVersion": version}});
        self.objects.insert(name.to_owned(), object.clone());
        self.happened.push((self.version, name.to_owned(), Some(object)));
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.version += 1;
        self.objects.remove(name).expect("only what is there is deleted");
        self.happened.push((self.version, name.to_owned(), None));
    }

    /// The objects as they were at a version.
    fn at(&self, version: u64) -> BTreeMap<String, Value> {
        let mut objects = BTreeMap::new();
        for (_, name, object) in self.happened.iter().take_while(|(at, ..)| *at <= version) {
            match object {
                Some(object) => drop(objects.insert(name.clone(), object.clone())),
                None => drop(objects.remove(name)),
            }
        }
        objects
    }

    /// Names and versions.
    pub(super) fn state(&self) -> BTreeMap<String, String> {
        let version = |object: Value| object["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        let objects = self.objects.clone().into_iter();
        objects.map(|(name, object)| (name, version(object))).collect()
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.version;
    }

    /// The lines of a watch after a version, and the version that it is at then.
    pub(super) fn lines(&self, after: u64) -> (String, u64) {
        let mut text = String::new();
        let mut objects = self.at(after);
        for (version, name, object) in self.happened.iter().filter(|(version, ..)| *version > after) {
            let before = match object {
                Some(object) => objects.insert(name.clone(), object.clone()),
                None => objects.remove(name),
            };
            let (kind, object) = match (object, before) {
                (Some(object), None) => ("ADDED", object.clone()),
                (Some(object), Some(_)) => ("MODIFIED", object.clone()),
                (None, before) => {
                    let mut object = before.expect("only what is there is deleted");
                    object["metadata"]["resourceVersion"] = json!(version.to_string());
                    ("DELETED", object)
                }
            };
            text += &format!("{}\n", json!({"type": kind, "object": object}));
        }
        (text, self.version)
    }

    pub(super) fn page(&self, limit: usize, next: Option<&str>) -> Value {
        let (version, after) = match next.and_then(|next| next.split_once('.')) {
            Some((version, after)) => (version.parse().unwrap(), after),
            None => (self.version, ""),
        };
        if version < self.compacted {
            return gone();
        }
        let objects = self.at(version);
        let rest: Vec<_> = objects
            .range(after.to_owned()..)
            .filter(|(name, _)| **name != *after)
            .collect();
        let page = &rest[..limit.min(rest.len())];
        let next = match page.last() {
            Some((last, _)) if page.len() < rest.len() => format!("{version}.{last}"),
            _ => String::new(),
        };
        let items: Vec<_> = page.iter().map(|(_, object)| object).collect();
        json!({"metadata": {"resourceVersion": version.to_string(), "continue": next}, "items": items})
    }
}

fn gone() -> Value {
    json!({"kind": "Status", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410})
}

/// What a server says to a version that it has not reached.
fn too_large() -> Value {
    let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    json!({"kind": "Status", "status": "Failure", "message": "Too large resource version", "reason": "Timeout",
           "code": 504, "details": {"causes": [cause]}})
}

/// A server of config maps without a namespace.
#[derive(Clone, Default)]
pub(super) struct World {
    history: Arc<Mutex<History>>,
    changed: tokio::sync::watch::Sender<()>,
}

impl World {
    pub(super) fn of(names: &[&str]) -> Self {
        let world = Self::default();
        world.change(|history| names.iter().for_each(|name| history.set(name)));
        world
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.history());
        self.changed.send_replace(());
    }

    /// Changes something while no connection is open.
    pub(super) fn away(&self, change: impl FnOnce(&mut History)) {
        self.change(|history| {
            history.breaks += 1;
            change(history);
        });
    }

    pub(super) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.history().faults = faults.into_iter().collect();
    }

    pub(super) fn client(&self) -> kube::Client {
        let world = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let world = world.clone();
            async move { world.answer(request.uri().query().unwrap_or_default()).await }
        });
        kube::Client::new(service, "default")
    }

    /// The answer to a query, with what is wrong with it, its status and what follows.
    fn decide(&self, query: &str) -> (Fault, u16, Answering) {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
        };
        let version = value("resourceVersion").and_then(|version| version.parse::<u64>().ok());
        let (fault, code, text, watching, breaks) = {
            let mut history = self.history();
            let fault = history.faults.pop_front().unwrap_or(Fault::None);
            let (code, text, watching, asked) = if value("watch").is_none() {
                if let Some(meanwhile) = history.meanwhile.clone() {
                    meanwhile(&mut history);
                }
                let limit = value("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
                let next = value("continue");
                let page = history.page(limit, next.as_deref());
                let code = page["code"].as_u64().unwrap_or(200);
                (
                    code,
                    page.to_string(),
                    None,
                    format!("list {}", next.unwrap_or_default()),
                )
            } else if value("sendInitialEvents").is_some() {
                let added = |object: &Value| format!("{}\n", json!({"type": "ADDED", "object": object}));
                let mut text: String = history.at(history.version).values().map(added).collect();
                let end = json!({"k8s.io/initial-events-end": "true"});
                let meta = json!({"resourceVersion": history.version.to_string(), "annotations": end});
                text += &format!("{}\n", json!({"type": "BOOKMARK", "object": {"metadata": meta}}));
                (200, text, Some(history.version), "state".to_owned())
            } else {
                let version = version.unwrap();
                let asked = format!("watch {version}");
                match version < history.compacted {
                    true if history.as_event => (
                        200,
                        format!("{}\n", json!({"type": "ERROR", "object": gone()})),
                        None,
                        asked,
                    ),
                    true => (410, gone().to_string(), None, asked),
                    false if version > history.version => (504, too_large().to_string(), None, asked),
                    false => (200, String::new(), Some(version), asked),
                }
            };
            history.asked.push(asked);
            (fault, code, text, watching, history.breaks)
        };
        let answering = Answering {
            world: self.clone(),
            changed: self.changed.subscribe(),
            ready: text,
            watching,
            breaks,
            fault,
            sent: 0,
        };
        (fault, u16::try_from(code).unwrap(), answering)
    }

    async fn answer(
        &self,
        query: &str,
    ) -> Result<Response<StreamBody<impl Stream<Item = io::Result<Frame<Bytes>>> + use<>>>, http::Error> {
        let (fault, code, answering) = self.decide(query);
        if matches!(fault, Fault::Silence) {
            std::future::pending::<()>().await;
        }
        Response::builder()
            .status(code)
            .body(StreamBody::new(answering.frames()))
    }

    /// The same by HTTP/1.1; faults are those of the bytes on the wire, from the status line to the last chunk.
    pub(super) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            let world = self.clone();
            tokio::spawn(async move {
                let mut connection = BufReader::new(connection);
                loop {
                    let (mut line, mut query) = (String::new(), None);
                    while connection.read_line(&mut line).await? > 2 {
                        query.get_or_insert_with(|| {
                            line.split([' ', '?']).nth(2).unwrap_or_default().to_owned()
                        });
                        line.clear();
                    }
                    let Some(query) = query else { return Ok(()) };
                    let (fault, code, answering) = world.decide(&query);
                    let most = match fault {
                        Fault::Cut(at, _) => at,
                        _ => usize::MAX,
                    };
                    let unharmed = Answering {
                        fault: Fault::None,
                        ..answering
                    };
                    let mut frames = std::pin::pin!(unharmed.frames());
                    let head = format!("HTTP/1.1 {code} Told\r\ntransfer-encoding: chunked\r\n\r\n");
                    let (mut bytes, mut sent) = (head.into_bytes(), 0);
                    while !bytes.is_empty() {
                        let kept = &bytes[..bytes.len().min(most - sent)];
                        connection.write_all(kept).await?;
                        if kept.len() < bytes.len() {
                            return io::Result::Ok(());
                        }
                        sent += kept.len();
                        bytes.clear();
                        match frames.next().await {
                            Some(frame) => {
                                let data = frame?.into_data().unwrap_or_default();
                                bytes.extend(format!("{:x}\r\n", data.len()).into_bytes());
                                bytes.extend(data);
                                bytes.extend(b"\r\n");
                            }
                            None if sent > 0 => {
                                connection.write_all(b"0\r\n\r\n").await?;
                            }
                            None => {}
                        }
                    }
                }
            });
        }
    }
}

/// A body on its way.
struct Answering {
    world: World,
    changed: tokio::sync::watch::Receiver<()>,
    ready: String,
    /// The version that a watch is at.
    watching: Option<u64>,
    /// How many breaks were before it.
    breaks: u32,
    fault: Fault,
    sent: usize,
}

impl Answering {
    fn frames(self) -> impl Stream<Item = io::Result<Frame<Bytes>>> {
        stream::unfold(Some(self), |answering| async move {
            let mut answering = answering?;
            loop {
                if answering.watching.is_some() && answering.world.history().breaks != answering.breaks {
                    return Some((Err(io::ErrorKind::ConnectionReset.into()), None));
                }
                if answering.ready.is_empty()
                    && let Some(at) = answering.watching
                {
                    let (lines, at) = answering.world.history().lines(at);
                    (answering.ready, answering.watching) = (lines, Some(at));
                }
                if !answering.ready.is_empty() {
                    break;
                }
                answering.watching?;
                // The sender is with the world.
                answering.changed.changed().await.ok()?;
            }
            let text = std::mem::take(&mut answering.ready);
            let end = answering.sent + text.len();
            let frame = |text: &str| Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())));
            match answering.fault {
                Fault::Cut(at, cut) if at <= end => {
                    let kept = &text[..at - answering.sent];
                    match (kept.is_empty(), cut) {
                        (false, Cut::End) => Some((frame(kept), None)),
                        (true, Cut::End) => None,
                        (true, Cut::Reset) => Some((Err(io::ErrorKind::ConnectionReset.into()), None)),
                        (false, Cut::Reset) => {
                            answering.sent = at;
                            answering.ready = text[kept.len()..].to_owned();
                            Some((frame(kept), Some(answering)))
                        }
                    }
                }
                Fault::Compacted(at) if at <= end => {
                    answering.world.history().compact();
                    let whole = text[..at - answering.sent].rfind('\n').map_or(0, |end| end + 1);
                    let error = format!(
                        "{}{}\n",
                        &text[..whole],
                        json!({"type": "ERROR", "object": gone()})
                    );
                    Some((frame(&error), None))
                }
                _ => {
                    answering.sent = end;
                    Some((frame(&text), Some(answering)))
                }
            }
        })
    }
}
