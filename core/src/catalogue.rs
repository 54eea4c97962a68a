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

    /// All schemes, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Scheme>> {
        self.schemes.values()
    }
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
