//! The changes that make a key.

use std::sync::Arc;

use countersign_core::rotation::{Ending, Versions};

use super::{
    ChangeError, NewKey, NewSecret, Outcome, Published, Rotate,
    error::Fault,
    requests::{Answer, Asked},
    rows::{Named, Rows, place},
    text::Word,
    writer::{Change, Done},
};
use crate::seal::{DataKey, Kind, Place};

/// Builds the answer to keep and to send.
pub(super) type Encode = Box<dyn Fn(&Outcome<'_>) -> Answer + Send>;

pub(super) fn create(
    change: &Change<'_>,
    asked: &Asked,
    new: &mut NewSecret,
    encode: &Encode,
) -> Result<Done<Answer>, Fault> {
    if let Some(answer) = change.answered(asked)? {
        return Ok(Done::RollBack(answer));
    }
    let rows = &change.rows;
    if let Some(revision) = new.scheme_revision {
        rows.check_scheme(&new.scheme, revision)?;
    }
    if matches!(rows.named(&new.name)?, Named::Secret(_)) {
        return Err(ChangeError::NameTaken.into());
    }
    rows.check_quota(new)?;
    rows.check_reuse(&new.name, &mut new.key)?;
    let secret_id = rows.insert_secret(new, change.n)?;
    let data_key = rows.new_data_key(secret_id)?;
    let versions = Versions::first(rows.now);
    for life in &versions {
        let place = Place {
            kind: Kind::Key,
            secret_id,
            name: &new.name,
            version: life.number,
            scheme: &new.scheme,
            request: &[],
        };
        rows.insert_version(&data_key, &place, life, &new.key)?;
    }
    rows.touch(secret_id, change.n)?;
    change.answer(asked, secret_id, (&new.key, String::new()), encode)
}

pub(super) fn rotate(
    change: &Change<'_>,
    asked: &Asked,
    rotation: &mut Rotate,
    encode: &Encode,
) -> Result<Done<Answer>, Fault> {
    if let Some(answer) = change.answered(asked)? {
        return Ok(Done::RollBack(answer));
    }
    let rows = &change.rows;
    let secret = rows.bare_record(rows.id(&rotation.name)?)?;
    if secret.scheme != rotation.scheme {
        return Err(ChangeError::SchemeMismatch.into());
    }
    let before = secret.lives().map_err(|_| ChangeError::Corrupt)?;
    let Rotate {
        ending,
        expected_version,
        ..
    } = *rotation;
    let after = before.rotate(ending, expected_version, change.limits, rows.now)?;
    rows.check_reuse(&rotation.name, &mut rotation.key)?;
    rows.write_lives(secret.id, &before, &after)?;
    let data_key = data_key(rows, secret.id, ending)?;
    for life in after.iter().skip(before.iter().len()) {
        let place = place(Kind::Key, &secret, life.number);
        rows.insert_version(&data_key, &place, life, &rotation.key)?;
    }
    rows.touch(secret.id, change.n)?;
    let how = describe(ending);
    change.answer(asked, secret.id, (&rotation.key, how), encode)
}

/// The data key of a secret. An emergency ends every other version, so it may replace one that does not open.
fn data_key(rows: &Rows<'_>, secret_id: i64, ending: Ending) -> Result<DataKey, Fault> {
    match rows.data_key(secret_id) {
        Err(fault) if fault.is_corrupt() && ending == Ending::Emergency => {
            rows.new_data_key(secret_id)
        }
        result => result,
    }
}

fn describe(ending: Ending) -> String {
    match ending {
        Ending::Grace(grace) => format!("grace {} s", grace.as_secs()),
        Ending::Emergency => "emergency".to_owned(),
        Ending::Staged => "staged".to_owned(),
    }
}

impl Change<'_> {
    /// Finishes a change that made the newest version: audit row, answer, and what to publish.
    fn answer(
        &self,
        asked: &Asked,
        id: i64,
        (key, how): (&NewKey, String),
        encode: &Encode,
    ) -> Result<Done<Answer>, Fault> {
        let record = self.rows.record(id)?;
        let newest = record.versions.last().ok_or(ChangeError::Corrupt)?;
        let version = newest.life.number;
        let answer = encode(&Outcome {
            record: &record,
            version,
            key,
        });
        if asked.validate_only {
            return Ok(Done::RollBack(answer));
        }
        let origin = if key.imported {
            "imported"
        } else {
            "generated"
        };
        let remarks = key.warnings.iter().map(|warning| warning.word());
        let detail: Vec<_> = [how.as_str(), origin].into_iter().chain(remarks).collect();
        let detail = detail.join(" ").trim().to_owned();
        self.audit(
            &asked.caller,
            asked.method,
            record.name.as_str(),
            Some(version),
            &detail,
        )?;
        self.remember(asked, &record, version, &answer)?;
        Ok(Done::Commit {
            answer,
            publish: vec![Published::Changed(Arc::new(record))],
        })
    }
}
