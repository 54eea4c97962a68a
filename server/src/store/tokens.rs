//! Credentials of callers as rows, and their changes.

use std::sync::Arc;

use countersign_core::{
    SecretName, Timestamp,
    access::{Grant, Grants},
};
use rusqlite::{Row, params};
use subtle::ConstantTimeEq;

use super::{
    Caller, ChangeError, Credential, NewToken, Published, TokenRecord,
    error::Fault,
    rows::Rows,
    writer::{Change, Done},
};
use crate::seal::Domain;

/// As many may be valid at a time.
const MAX_TOKENS: usize = 10_000;
/// As many of them may bear names of one namespace, so that who makes tokens there leaves room for others.
const MAX_TOKENS_OF_NAMESPACE: usize = MAX_TOKENS / 10;

type Changed = Result<Done<Arc<TokenRecord>>, Fault>;

/// Adds a token.
pub(super) fn create(change: &Change<'_>, caller: &Caller, new: NewToken) -> Changed {
    let now = change.rows.now;
    let valid: Vec<_> = (change.rows.tokens()?.into_iter())
        .filter(|token| token.is_valid(now))
        .collect();
    if new.first && valid.iter().any(TokenRecord::is_admin) {
        return Err(ChangeError::AdminExists.into());
    }
    let taken = |token: &TokenRecord| match (&token.credential, &new.credential) {
        (Credential::Certificate(one), Credential::Certificate(other)) => one == other,
        _ => false,
    };
    if valid
        .iter()
        .any(|token| token.name == new.name || taken(token))
    {
        return Err(ChangeError::TokenTaken.into());
    }
    if !has_room(&valid, &new.name) {
        return Err(ChangeError::TooManyTokens.into());
    }
    let record = TokenRecord {
        id: new.id,
        name: new.name,
        credential: new.credential,
        grants: new.grants,
        creator: caller.principal.clone(),
        create_time: now,
        expire_time: new.expire_time,
        revoke_time: None,
    };
    change.rows.write_token(&record)?;
    finish(change, caller, "CreateToken", record)
}

/// Whether there may be one more token of this name.
fn has_room(valid: &[TokenRecord], name: &SecretName) -> bool {
    let of_namespace = |token: &&TokenRecord| token.name.namespace() == name.namespace();
    let namesakes = valid.iter().filter(of_namespace).count();
    valid.len() < MAX_TOKENS && namesakes < MAX_TOKENS_OF_NAMESPACE
}

/// Ends a token. One that has ended stays as it is.
pub(super) fn revoke(change: &Change<'_>, caller: &Caller, id: &str) -> Changed {
    let now = change.rows.now;
    let tokens = change.rows.tokens()?;
    let found = tokens.iter().find(|token| token.id == id);
    let found = found.ok_or(ChangeError::TokenNotFound)?;
    if !found.is_valid(now) {
        return Ok(Done::RollBack(Arc::new(found.clone())));
    }
    let is_last = |token: &TokenRecord| token.id == id || !token.is_valid(now) || !token.is_admin();
    if found.is_admin() && tokens.iter().all(is_last) {
        return Err(ChangeError::LastAdmin.into());
    }
    end(change, caller, found.clone())
}

/// Revokes a token, whichever it is.
pub(super) fn end(change: &Change<'_>, caller: &Caller, token: TokenRecord) -> Changed {
    let record = TokenRecord {
        revoke_time: Some(change.rows.now),
        ..token
    };
    change.rows.write_token(&record)?;
    finish(change, caller, "RevokeToken", record)
}

fn finish(
    change: &Change<'_>,
    caller: &Caller,
    method: &'static str,
    record: TokenRecord,
) -> Changed {
    let subject = record.name.as_str();
    change.audit(caller, method, subject, None, &describe(&record))?;
    let record = Arc::new(record);
    Ok(Done::Commit {
        answer: Arc::clone(&record),
        publish: vec![Published::TokenChanged(record)],
    })
}

/// What the audit says of a token: its id, what it may do, and until when.
fn describe(record: &TokenRecord) -> String {
    let mut words = vec![record.id.clone()];
    words.extend(record.grants.as_slice().iter().map(ToString::to_string));
    if let Some(end) = record.expire_time {
        words.push(format!("until {}", end.unix_millis() / 1000));
    }
    words.join(" ")
}

const COLUMNS: &str = "id, name, digest, certificate_san, grants, creator, create_time, expire_time, revoke_time, tag";

impl Rows<'_> {
    /// All tokens that there ever were, oldest first. One that was edited does not open and is no token.
    pub(super) fn tokens(&self) -> Result<Vec<TokenRecord>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM tokens ORDER BY create_time, id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut tokens = Vec::new();
        while let Some(row) = rows.next()? {
            match self.token(row) {
                Ok(token) => tokens.push(token),
                Err(fault) if fault.is_corrupt() => {
                    tracing::error!("a stored token is damaged and admits nobody");
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(tokens)
    }

    /// The token of this id, whether or not another one of its name came after it.
    pub(super) fn token_of_id(&self, id: &str) -> Result<Option<TokenRecord>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM tokens WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([id])?;
        rows.next()?.map(|row| self.token(row)).transpose()
    }

    fn token(&self, row: &Row<'_>) -> Result<TokenRecord, Fault> {
        let name: String = row.get("name")?;
        let grants: String = row.get("grants")?;
        let digest: Option<Vec<u8>> = row.get("digest")?;
        let san: Option<String> = row.get("certificate_san")?;
        let time = |column| -> rusqlite::Result<Option<Timestamp>> {
            let millis: Option<i64> = row.get(column)?;
            Ok(millis.map(Timestamp::from_unix_millis))
        };
        let credential = match (digest, san) {
            (Some(digest), None) => {
                Credential::Bearer(digest.try_into().map_err(|_| ChangeError::Corrupt)?)
            }
            (None, Some(san)) => Credential::Certificate(san),
            _ => return Err(ChangeError::Corrupt.into()),
        };
        let record = TokenRecord {
            id: row.get("id")?,
            name: SecretName::parse(&name).map_err(|_| ChangeError::Corrupt)?,
            credential,
            grants: read_grants(&grants).ok_or(ChangeError::Corrupt)?,
            creator: row.get("creator")?,
            create_time: time("create_time")?.ok_or(ChangeError::Corrupt)?,
            expire_time: time("expire_time")?,
            revoke_time: time("revoke_time")?,
        };
        let stored: Vec<u8> = row.get("tag")?;
        if !bool::from(self.token_tag(&record).ct_eq(&stored)) {
            return Err(ChangeError::Corrupt.into());
        }
        self.check_latest_token(&record)?;
        Ok(record)
    }

    pub(super) fn write_token(&self, record: &TokenRecord) -> Result<(), Fault> {
        let sql = format!(
            "INSERT OR REPLACE INTO tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        );
        let (digest, san) = parts(&record.credential);
        self.connection.prepare_cached(&sql)?.execute(params![
            record.id,
            record.name.as_str(),
            digest,
            san,
            write_grants(&record.grants),
            record.creator,
            record.create_time.unix_millis(),
            record.expire_time.map(Timestamp::unix_millis),
            record.revoke_time.map(Timestamp::unix_millis),
            self.token_tag(record),
        ])?;
        Ok(())
    }

    fn token_tag(&self, record: &TokenRecord) -> [u8; 32] {
        let (digest, san) = parts(&record.credential);
        let bound = serde_json::to_vec(&(
            (&record.id, record.name.as_str(), &record.creator),
            (digest, san),
            write_grants(&record.grants),
            record.create_time.unix_millis(),
            record.expire_time.map(Timestamp::unix_millis),
            record.revoke_time.map(Timestamp::unix_millis),
        ));
        let bound = bound.expect("numbers and strings are JSON");
        self.seal.fingerprint(Domain::Token, &[&bound])
    }

    /// A token by its id, or the newest of a name: only that one may be valid.
    pub(super) fn find_token(&self, text: &str) -> Result<TokenRecord, Fault> {
        let mut tokens = self.tokens()?;
        let of_id = tokens.iter().position(|token| token.id == text);
        let of_name = || tokens.iter().rposition(|it| it.name.as_str() == text);
        let found = of_id.or_else(of_name).ok_or(ChangeError::TokenNotFound)?;
        Ok(tokens.swap_remove(found))
    }
}

fn parts(credential: &Credential) -> (Option<&[u8]>, Option<&str>) {
    match credential {
        Credential::Bearer(digest) => (Some(digest), None),
        Credential::Certificate(san) => (None, Some(san)),
    }
}

/// Grants as `verify,sign:acme/*`, separated by spaces.
fn write_grants(grants: &Grants) -> String {
    let grants: Vec<_> = grants.as_slice().iter().map(ToString::to_string).collect();
    grants.join(" ")
}

fn read_grants(text: &str) -> Option<Grants> {
    text.split_whitespace()
        .map(|each| each.parse().ok())
        .collect::<Option<Vec<Grant>>>()
        .map(Grants::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(namespace: usize, number: usize) -> impl Iterator<Item = TokenRecord> {
        (0..number).map(move |each| TokenRecord {
            id: format!("{each:016x}"),
            name: name(&format!("n{namespace}/{each}")),
            credential: Credential::Bearer([0; 32]),
            grants: Grants::new(Vec::new()),
            creator: "root".to_owned(),
            create_time: Timestamp::from_unix_millis(0),
            expire_time: None,
            revoke_time: None,
        })
    }

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).unwrap()
    }

    #[test]
    fn one_namespace_leaves_room_for_the_tokens_of_others() {
        let mut valid: Vec<_> = tokens(0, MAX_TOKENS_OF_NAMESPACE - 1).collect();
        assert!(has_room(&valid, &name("n0/more")));
        valid.extend(tokens(0, 1));
        assert!(!has_room(&valid, &name("n0/more")) && has_room(&valid, &name("n1/more")));
        valid.extend((1..10).flat_map(|namespace| tokens(namespace, MAX_TOKENS_OF_NAMESPACE)));
        assert!(!has_room(&valid, &name("n10/more")));
        valid.pop();
        assert!(has_room(&valid, &name("n10/more")));
    }
}
