//! The schemes of this server: the built-in ones and the operators' own. Secrets hold their scheme, so no check of a
//! proof looks here.
//!
//! Invariant: it follows the commits of the store, as the key ring does.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use countersign_core::{Catalogue, OwnScheme, Scheme};

use crate::store::SchemeRecord;

/// All schemes of a server by id.
#[derive(Default)]
pub(crate) struct Schemes {
    own: ArcSwap<BTreeMap<String, Known>>,
}

/// A scheme, and the store's record of it if it is an operator's own.
#[derive(Clone)]
pub(crate) struct Known {
    /// The scheme.
    pub scheme: Arc<Scheme>,
    /// `None` if it is built in.
    pub record: Option<Arc<SchemeRecord>>,
}

impl Schemes {
    /// Takes in what the store held when it was opened.
    pub(crate) fn load(&self, records: Vec<SchemeRecord>) {
        let known = records.into_iter().filter_map(|record| {
            if Catalogue::builtin().scheme(&record.id).is_some() {
                tracing::warn!(
                    scheme = record.id,
                    "the scheme is built in by now; the operators' own stays in its place"
                );
            }
            Some((record.id.clone(), Known::own(Arc::new(record))?))
        });
        self.own.store(Arc::new(known.collect()));
    }

    /// One scheme. An operator's own of a vendor that became built in later stays what its secrets were made for.
    pub(crate) fn scheme(&self, id: &str) -> Option<Known> {
        let own = self.own.load().get(id).cloned();
        own.or_else(|| Catalogue::builtin().scheme(id).map(Known::builtin))
    }

    /// All schemes by id.
    pub(crate) fn all(&self) -> BTreeMap<String, Known> {
        let mut all: BTreeMap<_, _> = Catalogue::builtin()
            .iter()
            .map(|scheme| (scheme.id.clone(), Known::builtin(scheme)))
            .collect();
        all.extend(BTreeMap::clone(&self.own.load()));
        all
    }

    /// Takes in a scheme that was added.
    pub(crate) fn publish(&self, record: &Arc<SchemeRecord>) {
        if let Some(known) = Known::own(record.clone()) {
            self.change(|own| {
                own.insert(record.id.clone(), known.clone());
            });
        }
    }

    /// Takes out a scheme that was removed.
    pub(crate) fn remove(&self, id: &str) {
        self.change(|own| {
            own.remove(id);
        });
    }

    /// The store's writer alone calls this, so no change is lost.
    fn change(&self, change: impl Fn(&mut BTreeMap<String, Known>)) {
        self.own.rcu(|own| {
            let mut own = BTreeMap::clone(own);
            change(&mut own);
            own
        });
    }
}

impl Known {
    fn builtin(scheme: &Arc<Scheme>) -> Self {
        Self {
            scheme: scheme.clone(),
            record: None,
        }
    }

    /// `None` for a description that this release does not understand; its secrets do not serve.
    fn own(record: Arc<SchemeRecord>) -> Option<Self> {
        let own = OwnScheme::parse_stored(&record.definition)
            .inspect_err(|error| tracing::error!(scheme = record.id, %error, "a stored scheme is not understood"))
            .ok()?;
        Some(Self {
            scheme: own.scheme,
            record: Some(record),
        })
    }

    /// Tells an operator's own scheme from an earlier one of its id.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.record.as_ref().map(|record| record.revision)
    }
}
