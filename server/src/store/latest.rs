//! Whether rows are the latest of their kind. A tag says that the service wrote them, not that it wrote none since, so
//! who can write to the file could put back a key or a token as it was before it was revoked. The audit knows: whoever
//! puts rows back has to take records out of it as well, and that its chain shows.
//!
//! It does not tell that the file was replaced by an older one, as a whole or with all that the audit has of it.

use rusqlite::{Params, params};

use super::{
    ChangeError, SchemeRecord, SecretRecord, TokenRecord,
    error::{DriverFault, Fault},
    rows::{Rows, number},
};

/// What a retry is recorded with, which changed nothing.
pub(crate) const NOTHING_CHANGED: &str = "nothing changed";

/// Every method that changes a secret, as the audit names it.
const OF_SECRETS: &str = "('CreateSecret', 'UpdateSecret', 'DeleteSecret', 'RotateSecret', 'ActivateVersion', 'RevokeVersion')";
const OF_SCHEMES: &str = "('CreateScheme', 'DeleteScheme')";

impl Rows<'_> {
    /// Refuses a secret that was changed or deleted after these rows of it were written.
    pub(super) fn check_latest(&self, record: &SecretRecord) -> Result<(), Fault> {
        let name = record.name.as_str();
        if self.was_changed_after(name, OF_SECRETS, record.revision)? {
            tracing::error!(
                secret = name,
                "the audit has a later change of a stored secret"
            );
            return Err(ChangeError::Corrupt.into());
        }
        Ok(())
    }

    /// Refuses a scheme that was deleted after this row was written.
    pub(super) fn check_latest_scheme(&self, record: &SchemeRecord) -> Result<(), Fault> {
        let id = record.id.as_str();
        if self.was_changed_after(id, OF_SCHEMES, record.revision)? {
            tracing::error!(
                scheme = id,
                "the audit has a later change of a stored scheme"
            );
            return Err(ChangeError::SchemeCorrupt.into());
        }
        Ok(())
    }

    /// Refuses a token that does not say that it was revoked, and was.
    pub(super) fn check_latest_token(&self, record: &TokenRecord) -> Result<(), Fault> {
        // A revocation names the id first.
        let sql = "SELECT EXISTS (
                     SELECT 1 FROM audit
                     WHERE subject = ?1 AND method = 'RevokeToken' AND outcome = 'OK' AND detail <> ?2
                       AND substr(detail, 1, length(?3)) = ?3)";
        let name = record.name.as_str();
        if record.revoke_time.is_none()
            && self.finds(sql, params![name, NOTHING_CHANGED, record.id])?
        {
            tracing::error!(token = record.id, "the audit has a stored token revoked");
            return Err(ChangeError::Corrupt.into());
        }
        Ok(())
    }

    fn was_changed_after(
        &self,
        subject: &str,
        methods: &str,
        revision: u64,
    ) -> Result<bool, Fault> {
        let sql = format!(
            "SELECT EXISTS (
               SELECT 1 FROM audit
               WHERE subject = ?1 AND method IN {methods} AND outcome = 'OK' AND n > ?2 AND detail <> ?3)"
        );
        self.finds(&sql, params![subject, number(revision), NOTHING_CHANGED])
    }

    /// Whether there is such a record. Who takes what is left of a damaged store takes it without what its audit says.
    fn finds(&self, sql: &str, values: impl Params) -> Result<bool, Fault> {
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, |row| row.get(0)));
        match found {
            Err(error) if self.degraded && DriverFault::of(&error) == DriverFault::Damaged => {
                tracing::error!("the audit cannot say whether a row is the latest");
                Ok(false)
            }
            found => Ok(found?),
        }
    }
}
