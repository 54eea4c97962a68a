//! An explanation for the wire.

use countersign_core::explain::{Cause, CauseCode, Check, CheckOutcome};
use countersign_proto::v1;

/// One step of a check.
pub(crate) fn check_to_wire(check: &Check) -> v1::Check {
    let outcome = match check.outcome {
        CheckOutcome::Pass => v1::CheckOutcome::Pass,
        CheckOutcome::Fail => v1::CheckOutcome::Fail,
        CheckOutcome::Warn => v1::CheckOutcome::Warn,
        CheckOutcome::Skip => v1::CheckOutcome::Skip,
    };
    v1::Check {
        name: check.name.to_owned(),
        outcome: outcome.into(),
        detail: check.detail.clone(),
    }
}

/// Something that may have gone wrong.
pub(crate) fn cause_to_wire(cause: &Cause) -> v1::Cause {
    v1::Cause {
        code: code_to_wire(cause.code).into(),
        summary: cause.summary.clone(),
        fix: cause.fix.clone(),
    }
}

fn code_to_wire(code: CauseCode) -> v1::CauseCode {
    match code {
        CauseCode::BodyReserialised => v1::CauseCode::BodyReserialised,
        CauseCode::WrongSecret => v1::CauseCode::WrongSecret,
        CauseCode::KeyDecoding => v1::CauseCode::KeyDecoding,
        CauseCode::KeyWhitespace => v1::CauseCode::KeyWhitespace,
        CauseCode::SignedTextIncomplete => v1::CauseCode::SignedTextIncomplete,
        CauseCode::UrlDiffers => v1::CauseCode::UrlDiffers,
        CauseCode::ClockOrDelay => v1::CauseCode::ClockOrDelay,
        CauseCode::TimestampUnit => v1::CauseCode::TimestampUnit,
        CauseCode::TextEncoding => v1::CauseCode::TextEncoding,
        CauseCode::JsonEscapes => v1::CauseCode::JsonEscapes,
        CauseCode::PlatformEnvelope => v1::CauseCode::PlatformEnvelope,
        CauseCode::OldVersion => v1::CauseCode::OldVersion,
        CauseCode::SignatureForm => v1::CauseCode::SignatureForm,
        CauseCode::CompressedBody => v1::CauseCode::CompressedBody,
        CauseCode::TrailingNewline => v1::CauseCode::TrailingNewline,
        CauseCode::HeaderMalformed => v1::CauseCode::HeaderMalformed,
        CauseCode::UnsignedDelivery => v1::CauseCode::UnsignedDelivery,
        CauseCode::IdentifierDiffers => v1::CauseCode::IdentifierDiffers,
        CauseCode::NoNearMiss => v1::CauseCode::NoNearMiss,
        CauseCode::Handshake => v1::CauseCode::Handshake,
        CauseCode::Replay => v1::CauseCode::Replay,
        CauseCode::TokenTime => v1::CauseCode::TokenTime,
        CauseCode::TokenShape => v1::CauseCode::TokenShape,
        CauseCode::BodyEmpty => v1::CauseCode::BodyEmpty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_the_name_of_the_wire() {
        for number in 1..=24 {
            let wire = v1::CauseCode::try_from(number).unwrap();
            let name = wire.as_str_name().strip_prefix("CAUSE_CODE_").unwrap();
            let own = ALL.into_iter().find(|code| code_to_wire(*code) == wire);
            assert_eq!(own.map(CauseCode::name), Some(name));
        }
    }

    const ALL: [CauseCode; 24] = [
        CauseCode::BodyReserialised,
        CauseCode::WrongSecret,
        CauseCode::KeyDecoding,
        CauseCode::KeyWhitespace,
        CauseCode::SignedTextIncomplete,
        CauseCode::UrlDiffers,
        CauseCode::ClockOrDelay,
        CauseCode::TimestampUnit,
        CauseCode::TextEncoding,
        CauseCode::JsonEscapes,
        CauseCode::PlatformEnvelope,
        CauseCode::OldVersion,
        CauseCode::SignatureForm,
        CauseCode::CompressedBody,
        CauseCode::TrailingNewline,
        CauseCode::HeaderMalformed,
        CauseCode::UnsignedDelivery,
        CauseCode::IdentifierDiffers,
        CauseCode::NoNearMiss,
        CauseCode::Handshake,
        CauseCode::Replay,
        CauseCode::TokenTime,
        CauseCode::TokenShape,
        CauseCode::BodyEmpty,
    ];
}
