//! The schemes that are compiled into the program: one TOML file a vendor.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::{
    scheme::{Scheme, VendorFile},
    vectors::Vector,
};

/// Every file of the folder `schemes`, in the order of their names; `build.rs` lists them.
const FILES: &[&str] = include!(concat!(env!("OUT_DIR"), "/scheme_files.rs"));

/// Schemes by id.
#[derive(Debug)]
pub struct Catalogue {
    schemes: BTreeMap<String, Arc<Scheme>>,
}

impl Catalogue {
    /// The built-in catalogue.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue {
            schemes: load()
                .map(|(scheme, _)| (scheme.id.clone(), Arc::new(scheme)))
                .collect(),
        });
        &BUILTIN
    }

    /// One scheme.
    #[must_use]
    pub fn scheme(&self, id: &str) -> Option<&Arc<Scheme>> {
        self.schemes.get(id)
    }

    /// Whether a scheme is of this vendor.
    #[must_use]
    pub fn has_vendor(&self, vendor: &str) -> bool {
        self.iter()
            .any(|scheme| scheme.id.split('.').next() == Some(vendor))
    }

    /// All schemes, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Scheme>> {
        self.schemes.values()
    }
}

/// The description of a built-in scheme as a file of its own: its vendor's file without the other schemes, and
/// without `shares_key_with`, which no scheme of one's own has. Once its vendor is another one it can be added.
#[must_use]
pub fn definition(id: &str) -> Option<String> {
    let text = FILES.iter().find_map(|text| {
        let file = VendorFile::parse(text).ok()?;
        let index = file.ids().position(|each| each == id)?;
        Some((text, index))
    });
    let (text, index) = text?;
    let mut parts = text.split(SCHEME_HEADING);
    let head = parts.next()?;
    let entry = parts.nth(index)?;
    Some(without_sharing(head) + SCHEME_HEADING + without_sharing(entry).trim_end() + "\n")
}

const SCHEME_HEADING: &str = "[[scheme]]\n";

fn without_sharing(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        inside |= line.starts_with("shares_key_with");
        if !inside {
            kept.push_str(line);
        }
        inside &= !line.contains(']');
    }
    kept
}

/// The test vectors of the built-in schemes, each with the id of its scheme.
pub fn vectors() -> impl Iterator<Item = (String, Vector)> {
    load().flat_map(|(scheme, vectors)| {
        vectors
            .into_iter()
            .map(move |vector| (scheme.id.clone(), vector))
    })
}

fn load() -> impl Iterator<Item = (Scheme, Vec<Vector>)> {
    FILES.iter().flat_map(|text| {
        VendorFile::parse(text)
            .and_then(VendorFile::into_schemes)
            .expect("a test reads every built-in scheme file")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scheme_file_is_compiled_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemes");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, FILES.len());
    }

    #[test]
    fn every_scheme_file_parses() {
        for text in FILES {
            let schemes = VendorFile::parse(text).and_then(VendorFile::into_schemes);
            assert!(!schemes.unwrap().is_empty());
        }
    }

    #[test]
    fn scheme_ids_are_unique() {
        let mut ids = BTreeSet::new();
        for (scheme, _) in load() {
            assert!(ids.insert(scheme.id.clone()), "{}", scheme.id);
        }
        assert_eq!(ids.len(), Catalogue::builtin().iter().count());
    }
}
