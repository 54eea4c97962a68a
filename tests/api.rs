//! docs/api.md says what the contract's comments say. `UPDATE_GOLDEN=1` writes it.

use std::{collections::HashMap, env, fmt::Write, fs, path::Path};

use countersign_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

const INTRODUCTION: &str = "# API

What stands in the comments of [proto/countersign/v1](../proto/countersign/v1), as one page. gRPC, gRPC-Web and JSON are
served on the same port; a call in JSON is `POST /countersign.v1.SERVICE/METHOD` ([openapi.yaml](openapi.yaml)). Why calls
fail is in [errors.md](errors.md).
";
/// The order of the page.
const FILES: [&str; 6] = [
    "countersign",
    "secret",
    "scheme",
    "token",
    "audit",
    "backup",
];
// Field numbers of google/protobuf/descriptor.proto, of which paths are made.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const SERVICES: i32 = 6;
const MEMBERS: i32 = 2;

/// The comments of a file by the path of what they are about.
struct Comments(HashMap<Vec<i32>, String>);

impl Comments {
    fn of(file: &FileDescriptorProto) -> Self {
        let places = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = places.filter_map(|place| {
            let comment = place.leading_comments.as_ref()?;
            let lines = comment.lines().map(str::trim);
            Some((
                place.path.clone(),
                lines.collect::<Vec<_>>().join("\n").trim().to_owned(),
            ))
        });
        Self(comments.collect())
    }

    fn at(&self, path: &[i32]) -> &str {
        self.0
            .get(path)
            .unwrap_or_else(|| panic!("no comment at {path:?}"))
    }

    /// On one line of a table.
    fn cell(&self, path: &[i32]) -> String {
        self.at(path).replace('\n', " ").replace('|', "\\|")
    }
}

fn number(index: usize) -> i32 {
    i32::try_from(index).unwrap()
}

/// The last part of a type's name, as a link where the page has it.
fn link(name: &str) -> String {
    let short = name.rsplit('.').next().unwrap();
    if name.starts_with(".countersign.v1.") {
        format!("[{short}](#{})", short.to_lowercase())
    } else {
        format!("`{}`", name.trim_start_matches('.'))
    }
}

fn kind(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let name = match field.r#type() {
        Type::Message | Type::Enum => link(field.type_name()),
        other => format!(
            "`{}`",
            other
                .as_str_name()
                .trim_start_matches("TYPE_")
                .to_lowercase()
        ),
    };
    let entry = message.nested_type.iter().find(|nested| {
        field
            .type_name()
            .ends_with(&format!("{}.{}", message.name(), nested.name()))
    });
    if let Some(entry) = entry {
        let value = kind(entry, &entry.field[1]);
        return format!("map of `string` to {value}");
    }
    match field.label() {
        Label::Repeated => format!("repeated {name}"),
        _ => name,
    }
}

fn service(page: &mut String, comments: &Comments, at: usize, service: &ServiceDescriptorProto) {
    let path = [SERVICES, number(at)];
    writeln!(page, "\n## {}\n\n{}", service.name(), comments.at(&path)).unwrap();
    for (index, rpc) in service.method.iter().enumerate() {
        let comment = comments.at(&[&path[..], &[MEMBERS, number(index)]].concat());
        let streamed = if rpc.server_streaming() {
            "a stream of "
        } else {
            ""
        };
        let (asked, answered) = (link(rpc.input_type()), link(rpc.output_type()));
        writeln!(
            page,
            "\n### {}\n\n{asked} → {streamed}{answered}\n\n{comment}",
            rpc.name()
        )
        .unwrap();
    }
}

fn message(page: &mut String, comments: &Comments, at: usize, message: &DescriptorProto) {
    let path = [MESSAGES, number(at)];
    writeln!(page, "\n### {}\n\n{}\n", message.name(), comments.at(&path)).unwrap();
    if message.field.is_empty() {
        return;
    }
    page.push_str("| field | type | |\n|---|---|---|\n");
    for (index, field) in message.field.iter().enumerate() {
        let comment = comments.cell(&[&path[..], &[MEMBERS, number(index)]].concat());
        let one_of = field.oneof_index.filter(|_| !field.proto3_optional());
        let choice = one_of.map_or(String::new(), |at| {
            let name = message.oneof_decl[usize::try_from(at).unwrap()].name();
            format!("One of `{name}`. ")
        });
        let kind = kind(message, field);
        writeln!(page, "| `{}` | {kind} | {choice}{comment} |", field.name()).unwrap();
    }
}

fn enumeration(page: &mut String, comments: &Comments, at: usize, kind: &EnumDescriptorProto) {
    let path = [ENUMS, number(at)];
    writeln!(page, "\n### {}\n\n{}\n", kind.name(), comments.at(&path)).unwrap();
    page.push_str("| value | number | |\n|---|---|---|\n");
    for (index, value) in kind.value.iter().enumerate() {
        let comment = comments.cell(&[&path[..], &[MEMBERS, number(index)]].concat());
        writeln!(
            page,
            "| `{}` | {} | {comment} |",
            value.name(),
            value.number()
        )
        .unwrap();
    }
}

fn page() -> String {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut page = INTRODUCTION.to_owned();
    for name in FILES {
        let name = format!("countersign/v1/{name}.proto");
        let file = set.file.iter().find(|file| file.name() == name).unwrap();
        let comments = Comments::of(file);
        for (at, it) in file.service.iter().enumerate() {
            service(&mut page, &comments, at, it);
        }
        for (at, it) in file.message_type.iter().enumerate() {
            message(&mut page, &comments, at, it);
        }
        for (at, it) in file.enum_type.iter().enumerate() {
            enumeration(&mut page, &comments, at, it);
        }
    }
    page
}

#[test]
fn the_page_says_what_the_contract_says() {
    let page = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/api.md is out of date: run the tests with UPDATE_GOLDEN=1 and read the difference"
    );
}

#[test]
fn every_file_of_the_contract_is_on_the_page() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let own = set
        .file
        .iter()
        .filter(|file| file.package() == "countersign.v1");
    assert_eq!(own.count(), FILES.len());
}
