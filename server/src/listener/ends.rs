//! When certificates end. An end is nothing that a server could mend, so it tells who runs it in time: two weeks before,
//! a week before, a day before, and when it has come.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

const DAY: u64 = 24 * 3600;
/// 9999-12-31, which stands in a certificate that has no end.
const NEVER: Duration = Duration::from_secs(253_402_300_799);

/// When the first of these certificates ends; none if none ever does.
pub(super) fn first_end(certificates: &[CertificateDer<'_>]) -> Option<UnixTime> {
    certificates.iter().filter_map(end).min()
}

/// When a certificate ends. The verifier looks at that before all else, so it is asked what it would say at the end of
/// all time.
fn end(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let never = UnixTime::since_unix_epoch(NEVER);
    let usage = KeyUsage::server_auth();
    let verified = certificate.verify_for_usage(&[], &[], &[], never, usage, None, None);
    match verified {
        Err(Error::CertExpired { not_after, .. }) => Some(not_after),
        _ => None,
    }
}

/// How near an end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    #[default]
    Far,
    TwoWeeks,
    Week,
    Day,
    Over,
}

impl Nearness {
    fn of(end: UnixTime, now: UnixTime) -> Self {
        match end.as_secs().checked_sub(now.as_secs()) {
            None | Some(0) => Self::Over,
            Some(..=DAY) => Self::Day,
            Some(left) if left <= 7 * DAY => Self::Week,
            Some(left) if left <= 14 * DAY => Self::TwoWeeks,
            Some(_) => Self::Far,
        }
    }

    /// Says so in the log if the end of what this setting names has come nearer than it was when that was last said.
    pub(super) fn tell(&mut self, key: &str, end: Option<UnixTime>, now: UnixTime) {
        let before = *self;
        *self = end.map_or(Self::Far, |end| Self::of(end, now));
        let Some(end) = end.filter(|_| *self > before) else {
            return;
        };
        let (ends, hours_left) = (
            end.as_secs(),
            end.as_secs().saturating_sub(now.as_secs()) / 3600,
        );
        match self {
            Self::Over => tracing::error!(
                key,
                end_time = ends,
                "a certificate has ended: connections that rest on it fail until its file is replaced"
            ),
            _ => tracing::warn!(
                key,
                end_time = ends,
                hours_left,
                "a certificate ends soon: replace its file, which the server then reads by itself"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(edit: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn f36_the_first_end_of_a_chain_counts() {
        let early = certificate(|params| params.not_after = date_time_ymd(2030, 1, 2));
        let late = certificate(|params| params.not_after = date_time_ymd(2031, 1, 2));
        let authority = certificate(|params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.not_after = date_time_ymd(2030, 1, 1);
        });
        let secs = |certificates: &[_]| first_end(certificates).map(|end| end.as_secs());
        assert_eq!(secs(&[late.clone(), early.clone()]), Some(1_893_542_400));
        assert_eq!(secs(&[late, early, authority]), Some(1_893_456_000));
        assert_eq!(secs(&[]), None);
    }

    #[test]
    fn f36_an_end_is_told_in_four_steps() {
        let end = 1_000 * DAY;
        let at = |now: u64| {
            let time = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
            Nearness::of(time(end), time(now))
        };
        for (now, nearness) in [
            (0, Nearness::Far),
            (end - 14 * DAY - 1, Nearness::Far),
            (end - 14 * DAY, Nearness::TwoWeeks),
            (end - 7 * DAY - 1, Nearness::TwoWeeks),
            (end - 7 * DAY, Nearness::Week),
            (end - DAY - 1, Nearness::Week),
            (end - DAY, Nearness::Day),
            (end - 1, Nearness::Day),
            (end, Nearness::Over),
            (end + DAY, Nearness::Over),
        ] {
            assert_eq!(at(now), nearness, "{now}");
        }
    }
}
