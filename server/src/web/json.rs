//! The JSON form of every message of the contract (ProtoJSON), by the contract's own descriptors.

use std::{collections::HashSet, fmt, sync::LazyLock};

use prost::{Message as _, bytes::Bytes};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use tonic::Status;

use crate::failure::{ErrorReason, Failure};

/// Objects, lists and their members in one message. The largest batch has fewer; each takes about a kilobyte while
/// it is read, which two bytes of a hostile body would buy otherwise.
const MAX_ELEMENTS: usize = 32 * 1024;

/// What the details of errors are made of.
static DETAILS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).expect("it was generated")
});

/// The messages of every service on the port.
pub(super) struct Messages(DescriptorPool);

/// An rpc and its messages.
#[derive(Clone)]
pub(super) struct Method(MethodDescriptor);

impl Messages {
    pub(super) fn new() -> Self {
        let mut pool = DescriptorPool::decode(countersign_proto::FILE_DESCRIPTOR_SET)
            .expect("it was generated");
        pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .expect("it was generated");
        Self(pool)
    }

    /// The rpc at `/package.Service/Method`.
    pub(super) fn rpc(&self, path: &str) -> Option<Method> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let service = self.0.get_service_by_name(service)?;
        service
            .methods()
            .find(|rpc| rpc.name() == method)
            .map(Method)
    }
}

impl Method {
    pub(super) fn is_streaming(&self) -> bool {
        self.0.is_server_streaming() || self.0.is_client_streaming()
    }

    /// The request on the wire.
    ///
    /// # Errors
    /// The text is not JSON of this message; says where, never what.
    pub(super) fn request_from_json(&self, json: &[u8]) -> Result<Bytes, Status> {
        if elements(json) > MAX_ELEMENTS {
            return Err(Failure::new(ErrorReason::MessageTooLarge).into());
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let names = Unambiguous(Some(self.0.input())).deserialize(&mut reader);
        names.map_err(|error| unfit(&error))?;
        let mut reader = serde_json::Deserializer::from_slice(json);
        let message = DynamicMessage::deserialize(self.0.input(), &mut reader);
        let message = message.and_then(|message| reader.end().map(|()| message));
        let message = message.map_err(|error| unfit(&error))?;
        Ok(message.encode_to_vec().into())
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// A bug: the answer is not the message of this rpc.
    pub(super) fn answer_to_json(&self, message: &[u8]) -> Result<Vec<u8>, Status> {
        let json = decoded(self.0.output(), message).and_then(|message| {
            let json = serde_json::to_vec(&message);
            json.ok()
        });
        json.ok_or_else(|| Failure::new(ErrorReason::Internal).into())
    }
}

/// A detail of an error for people to read; none of an unknown kind.
pub(super) fn detail(name: &str, message: &[u8]) -> Option<Value> {
    let message = decoded(DETAILS.get_message_by_name(name)?, message)?;
    serde_json::to_value(&message).ok()
}

fn decoded(kind: MessageDescriptor, message: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(kind, message).ok()
}

/// The library's own words may repeat what stands there.
fn unfit(error: &serde_json::Error) -> Status {
    let (line, column) = (error.line(), error.column());
    let what = if error.is_data() {
        "a field of the JSON is unknown, there twice, or not what docs/openapi.yaml says (bytes are base64)"
    } else {
        "the body is not JSON"
    };
    let message = format!("{what}, at line {line} column {column}");
    Failure::with_message(ErrorReason::MessageMalformed, message).into()
}

/// JSON in which no object names a member twice: whoever looked at the other one saw another message. A field of a message
/// has two names, that of the proto and that of JSON; where there is no message, each name is its own.
struct Unambiguous(Option<MessageDescriptor>);

impl Unambiguous {
    /// The name of a member that is the same for each of its names, and what the member has to be.
    fn member(&self, name: String) -> (String, Self) {
        let message = self.0.as_ref();
        let field = message.and_then(|message| {
            let by_json = message.get_field_by_json_name(&name);
            by_json.or_else(|| message.get_field_by_name(&name))
        });
        match field {
            None => (name, Self(None)),
            Some(field) => {
                let kind = field.kind();
                let inner = kind.as_message().filter(|_| !field.is_map());
                // The well-known types have forms of their own.
                let own = inner.filter(|it| it.parent_file().package_name() != "google.protobuf");
                (field.json_name().to_owned(), Self(own.cloned()))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self(self.0.clone()))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let (name, member) = self.member(name);
            if !names.insert(name) {
                return Err(A::Error::custom("a member is there twice"));
            }
            members.next_value_seed(member)?;
        }
        Ok(())
    }
}

/// How many objects, lists and members there are, or a few more.
fn elements(json: &[u8]) -> usize {
    let (mut count, mut quoted, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' | b',' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}
