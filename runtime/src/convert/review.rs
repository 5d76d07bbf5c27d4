//! The API server's question to convert objects, and the answer.
//!
//! The body is read once, into slices of itself; objects are converted one after the other into the answer, or in parts
//! by callers with several threads.
//!
//! **Invariant:** any body is answered, and the answer's objects have the order of the question's.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::chain::{Converter, Head};
use super::error::ConvertError;
use super::node::quote;
use super::observe::Observer;
use super::walk::panic_text;

const API_VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "ConversionReview";
/// Failing objects that an answer names.
const NAMED: usize = 10;
/// Bytes of an answer's message.
const MESSAGE: usize = 4096;

/// Converters of several kinds, as one webhook serves them.
#[derive(Clone, Debug, Default)]
pub struct Converters {
    kinds: Vec<Converter>,
    observer: Option<Arc<dyn Observer>>,
}

/// An answer to a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewAnswer {
    /// HTTP status: 200 for every review that could be read, be its result success or failure.
    pub status: u16,
    /// A ConversionReview as JSON with status 200, else a text.
    pub body: Vec<u8>,
}

impl ReviewAnswer {
    fn refused(status: u16, message: &str) -> Self {
        Self {
            status,
            body: message.as_bytes().to_vec(),
        }
    }
}

/// A review that was read, and whose objects can be converted in parts.
#[derive(Debug)]
pub struct Review<'a> {
    converters: &'a Converters,
    uid: Cow<'a, str>,
    desired: Cow<'a, str>,
    objects: Vec<&'a RawValue>,
    /// What is wrong with the question as a whole.
    refused: Option<ConvertFailure>,
}

/// Objects of a review, converted.
#[derive(Debug, Default)]
pub struct ReviewPart {
    range: Range<usize>,
    /// Separated by commas.
    objects: String,
    failed: usize,
    /// The gravest of the failures' codes.
    code: u16,
    /// The first of the failures.
    failures: Vec<ConvertFailure>,
}

#[derive(Clone, Debug)]
struct ConvertFailure {
    message: String,
    code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default, rename = "desiredAPIVersion")]
    desired: Cow<'a, str>,
    #[serde(borrow)]
    objects: Option<Vec<&'a RawValue>>,
}

impl Converters {
    /// No kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more kind; one that was there before is replaced.
    #[must_use]
    pub fn with(mut self, mut converter: Converter) -> Self {
        if let Some(observer) = &self.observer {
            converter.observe(observer);
        }
        self.kinds
            .retain(|known| known.group() != converter.group() || known.kind() != converter.kind());
        self.kinds.push(converter);
        self
    }

    /// Counts what happens beside the answers.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        for converter in &mut self.kinds {
            converter.observe(&observer);
        }
        self.observer = Some(observer);
        self
    }

    /// The kinds' converters.
    pub fn iter(&self) -> impl Iterator<Item = &Converter> {
        self.kinds.iter()
    }

    /// The converter of a kind.
    pub fn get(&self, group: &str, kind: &str) -> Option<&Converter> {
        self.kinds
            .iter()
            .find(|known| known.group() == group && known.kind() == kind)
    }

    /// Answers a review in the calling thread.
    pub fn review(&self, body: &[u8]) -> ReviewAnswer {
        match self.read(body) {
            Ok(review) => {
                let mut part = ReviewPart::default();
                review.begin(&mut part.objects);
                review.convert_into(0..review.len(), &mut part);
                review.answer(part)
            }
            Err(answer) => answer,
        }
    }

    /// Reads a review whose objects are then converted in parts.
    ///
    /// # Errors
    /// The answer to a body that is no review, with HTTP status 400.
    pub fn read<'a>(&'a self, body: &'a [u8]) -> Result<Review<'a>, ReviewAnswer> {
        let refused = |message: &str| ReviewAnswer::refused(400, message);
        let text = std::str::from_utf8(body).map_err(|_| refused("body is not UTF-8"))?;
        let question: Question<'_> =
            serde_json::from_str(text).map_err(|_| refused("body is not a ConversionReview in JSON"))?;
        if question.api_version != API_VERSION || question.kind != KIND {
            return Err(refused(&format!("body is not a {KIND} of {API_VERSION}")));
        }
        let request = question
            .request
            .ok_or_else(|| refused("ConversionReview has no request"))?;
        let mut review = Review {
            converters: self,
            uid: request.uid,
            desired: request.desired,
            objects: request.objects.unwrap_or_default(),
            refused: None,
        };
        review.refused = review.objects.iter().enumerate().find_map(|(index, object)| {
            let error = review.head(object).err()?;
            Some(ConvertFailure {
                message: numbered(index, &error),
                code: error.code(),
            })
        });
        Ok(review)
    }

    fn of(&self, head: &Head<'_>) -> Result<&Converter, ConvertError> {
        let group = head.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        self.get(group, &head.kind)
            .ok_or_else(|| ConvertError::UnknownKind {
                api_version: head.api_version.to_string(),
                kind: head.kind.to_string(),
                known: self
                    .kinds
                    .iter()
                    .map(Converter::kind)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// An error's text, with the number of the object where nothing else says which it is.
fn numbered(index: usize, error: &ConvertError) -> String {
    let text = error.to_string();
    match error {
        ConvertError::NotAnObject | ConvertError::Missing(_) | ConvertError::NotJson => {
            text.replacen("object", &format!("object {index}"), 1)
        }
        _ => text,
    }
}

impl Review<'_> {
    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Bytes of the objects in a range, for those who cut a review into parts of like size.
    pub fn bytes(&self, range: Range<usize>) -> usize {
        self.objects
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(|object| object.get().len())
            .sum()
    }

    /// Converts the objects of a range, which ends where the review does at the latest.
    pub fn convert(&self, range: Range<usize>) -> ReviewPart {
        let mut part = ReviewPart::default();
        self.convert_into(range, &mut part);
        part
    }

    /// Puts parts together, which together have each object once; their order does not matter.
    pub fn finish(&self, parts: impl IntoIterator<Item = ReviewPart>) -> ReviewAnswer {
        let mut parts: Vec<_> = parts.into_iter().filter(|part| !part.range.is_empty()).collect();
        parts.sort_by_key(|part| part.range.start);
        let mut whole = ReviewPart::default();
        self.begin(&mut whole.objects);
        whole
            .objects
            .reserve_exact(parts.iter().map(|part| part.objects.len() + 1).sum::<usize>() + TAIL.len());
        for part in parts {
            if part.range.start != whole.range.end {
                return self.failure("objects of the review were not converted", 500);
            }
            if part.range.start > 0 {
                whole.objects.push(',');
            }
            whole.range.end = part.range.end;
            whole.objects.push_str(&part.objects);
            whole.failed += part.failed;
            whole.code = whole.code.max(part.code);
            whole.failures.extend(part.failures);
        }
        self.answer(whole)
    }

    fn head(&self, object: &RawValue) -> Result<(), ConvertError> {
        let head = Head::of(object.get())?;
        self.converters.of(&head)?.direction(&head, &self.desired)?;
        Ok(())
    }

    fn convert_into(&self, range: Range<usize>, part: &mut ReviewPart) {
        let range = range.start.min(self.len())..range.end.min(self.len());
        part.range = range.clone();
        if self.refused.is_some() {
            return;
        }
        let objects = &self.objects[range.clone()];
        let bytes: usize = objects.iter().map(|object| object.get().len() + 64).sum();
        part.objects.reserve(bytes + TAIL.len());
        for (index, object) in range.zip(objects) {
            if index > part.range.start {
                part.objects.push(',');
            }
            let before = part.objects.len();
            // User code is caught where it is called; this is for mistakes of ours.
            let result = catch_unwind(AssertUnwindSafe(|| self.object(object.get(), &mut part.objects)));
            let failure = match result {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => ConvertFailure {
                    message: numbered(index, &error),
                    code: error.code(),
                },
                Err(panic) => panicked(index, &*panic),
            };
            part.objects.truncate(before);
            part.failed += 1;
            part.code = part.code.max(failure.code);
            if part.failures.len() < NAMED {
                part.failures.push(failure);
            }
        }
    }

    fn object(&self, object: &str, out: &mut String) -> Result<(), ConvertError> {
        let head = Head::of(object)?;
        self.converters
            .of(&head)?
            .convert_valid(object, &self.desired, out)
    }

    fn begin(&self, out: &mut String) {
        out.push_str(
            r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","response":{"uid":"#,
        );
        quote(&self.uid, out);
        out.push_str(r#","convertedObjects":["#);
    }

    fn answer(&self, mut whole: ReviewPart) -> ReviewAnswer {
        if let Some(refused) = &self.refused {
            return self.failure(&refused.message, refused.code);
        }
        if whole.range.len() != self.len() {
            return self.failure("objects of the review were not converted", 500);
        }
        if whole.failed > 0 {
            return self.failure(&message(&whole.failures, whole.failed), whole.code);
        }
        whole.objects.push_str(TAIL);
        ReviewAnswer {
            status: 200,
            body: whole.objects.into_bytes(),
        }
    }

    fn failure(&self, message: &str, code: u16) -> ReviewAnswer {
        let mut out = String::new();
        self.begin(&mut out);
        out.push_str(r#"],"result":{"status":"Failure","message":"#);
        quote(message, &mut out);
        out.push_str(&format!(r#","code":{code}}}}}}}"#));
        ReviewAnswer {
            status: 200,
            body: out.into_bytes(),
        }
    }
}

const TAIL: &str = r#"],"result":{"status":"Success"}}}"#;

fn panicked(index: usize, panic: &(dyn Any + Send)) -> ConvertFailure {
    ConvertFailure {
        message: format!("object {index}: panicked: {}", panic_text(panic)),
        code: 500,
    }
}

/// All failures in one text.
fn message(failures: &[ConvertFailure], failed: usize) -> String {
    let named = failures.len().min(NAMED);
    let mut out = failures[..named]
        .iter()
        .map(|failure| failure.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    let more = if failed > named {
        format!("; and {} more", failed - named)
    } else {
        String::new()
    };
    if out.len() + more.len() > MESSAGE {
        const CUT: &str = "...";
        let mut end = MESSAGE - more.len() - CUT.len();
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push_str(CUT);
    }
    out + &more
}
