//! Which permission each rpc needs, and what a call that came in may do. An rpc that does not stand here is answered by
//! nobody.

use std::sync::Arc;

use countersign_core::access::Permission;

use crate::{
    callers::Principal,
    clock::Clock,
    failure::{ErrorReason, Failure},
    gate::RequestId,
    recorder::Call,
    store::Caller,
};

/// Who may call an rpc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every caller that is known: the catalogue is no secret.
    Anyone,
    /// A caller with this permission, on the names that the call is about.
    Needs(Permission),
    /// A caller that may read all secrets and the whole audit.
    ReadsEverything,
}

impl Access {
    /// Whether a call leaves a record in the audit: all do but those of the data plane and of the public catalogue.
    pub(crate) fn is_recorded(self) -> bool {
        match self {
            Self::Anyone | Self::Needs(Permission::Sign | Permission::Verify) => false,
            Self::Needs(_) | Self::ReadsEverything => true,
        }
    }
}

/// The access of an rpc; `None` if there is no such rpc. `path` is `/package.Service/Method`.
pub(crate) fn access_of(path: &str) -> Option<Access> {
    use Access::{Anyone, Needs, ReadsEverything};
    use Permission::{
        AuditRead, Explain, SchemesWrite, SecretsRead, SecretsRotate, SecretsWrite, Sign,
        TokensWrite, Verify,
    };
    Some(match path.strip_prefix("/countersign.v1.")? {
        "CountersignService/Verify"
        | "CountersignService/VerifyWebhook"
        | "CountersignService/BatchVerify" => Needs(Verify),
        "CountersignService/Sign" => Needs(Sign),
        "CountersignService/Explain" => Needs(Explain),
        "SecretService/GetSecret" | "SecretService/ListSecrets" => Needs(SecretsRead),
        "SecretService/CreateSecret"
        | "SecretService/UpdateSecret"
        | "SecretService/DeleteSecret" => Needs(SecretsWrite),
        "SecretService/RotateSecret"
        | "SecretService/ActivateVersion"
        | "SecretService/RevokeVersion" => Needs(SecretsRotate),
        "SchemeService/ListSchemes" | "SchemeService/GetScheme" => Anyone,
        "SchemeService/CreateScheme" | "SchemeService/DeleteScheme" => Needs(SchemesWrite),
        "TokenService/CreateToken" | "TokenService/ListTokens" | "TokenService/RevokeToken" => {
            Needs(TokensWrite)
        }
        "AuditService/ListAuditRecords" | "AuditService/VerifyAuditChain" => Needs(AuditRead),
        "BackupService/CreateBackup" => ReadsEverything,
        _ => return None,
    })
}

/// A call whose caller is known. What it may do is asked of it, name by name.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub principal: Arc<Principal>,
    access: Access,
    clock: Clock,
    /// What its record will say, if it leaves one.
    call: Option<Arc<Call>>,
}

impl Admitted {
    /// A call of a caller that is known, which has some grant of what the call needs.
    ///
    /// # Errors
    /// It has none, whatever name its body, which is not there yet, will say.
    pub(crate) fn new(
        principal: Arc<Principal>,
        access: Access,
        clock: Clock,
        call: Option<Arc<Call>>,
    ) -> Result<Self, Failure> {
        let admitted = Self {
            principal,
            access,
            clock,
            call,
        };
        admitted.authorize_any().map(|()| admitted)
    }

    /// Who makes a change, for the store.
    pub(crate) fn caller(&self, rpc_id: &RequestId) -> Caller {
        let recorded = self.call.as_ref().map(|call| call.recorded.clone());
        Caller {
            principal: self.principal.name.to_string(),
            rpc_id: rpc_id.to_string(),
            recorded: recorded.unwrap_or_default(),
            revoked: self.principal.revoked.clone(),
        }
    }

    /// The call that passed the gate; one that did not may do nothing. The credential is looked at again: the body may
    /// have come long after it was shown.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Failure> {
        let admitted = request.extensions().get::<Self>().ok_or_else(denied)?;
        match admitted.principal.is_valid(admitted.clock.now()) {
            true => Ok(admitted.clone()),
            false => Err(Failure::new(ErrorReason::Unauthenticated)),
        }
    }

    /// Whether the call may do with this name what it is about to do.
    pub(crate) fn may(&self, name: &str) -> bool {
        let grants = &self.principal.grants;
        match self.access {
            Access::Anyone => true,
            Access::Needs(permission) => grants.allow(permission, name),
            Access::ReadsEverything => self.may_all(),
        }
    }

    /// Whether the call may do it with every name.
    pub(crate) fn may_all(&self) -> bool {
        let grants = &self.principal.grants;
        match self.access {
            Access::Anyone => true,
            Access::Needs(permission) => grants.allow_all(permission),
            Access::ReadsEverything => {
                grants.allow_all(Permission::SecretsRead) && grants.allow_all(Permission::AuditRead)
            }
        }
    }

    /// Lets the call go on with this name.
    pub(crate) fn authorize(&self, name: &str) -> Result<(), Failure> {
        if let Some(call) = &self.call {
            call.is_about(name);
        }
        match self.may(name) {
            true => Ok(()),
            false => Err(denied()),
        }
    }

    /// Lets the call go on if it may do it with every name.
    pub(crate) fn authorize_all(&self) -> Result<(), Failure> {
        match self.may_all() {
            true => Ok(()),
            false => Err(denied()),
        }
    }

    /// Lets a list go on, which then shows only the names that the caller may see.
    pub(crate) fn authorize_any(&self) -> Result<(), Failure> {
        match self.access {
            Access::Needs(permission) if !self.principal.grants.allow_any(permission) => {
                Err(denied())
            }
            Access::Anyone | Access::Needs(_) => Ok(()),
            Access::ReadsEverything => self.authorize_all(),
        }
    }

    /// Who may not list a name is not told either whether there is a secret of it.
    pub(crate) fn conceal(&self, name: &str, failure: Failure) -> Failure {
        let tells = matches!(
            failure.reason(),
            ErrorReason::SecretNotFound | ErrorReason::SecretDeleted
        );
        match tells && !self.principal.grants.allow(Permission::SecretsRead, name) {
            true => denied(),
            false => failure,
        }
    }
}

pub(crate) fn denied() -> Failure {
    Failure::new(ErrorReason::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use countersign_core::access::{Grant, Grants, Pattern};
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    fn admitted(permission: Permission, pattern: &str, access: Access) -> Admitted {
        let grants = Grants::new(vec![Grant {
            permissions: vec![permission],
            pattern: Pattern::parse(pattern).unwrap(),
        }]);
        Admitted {
            principal: Arc::new(Principal::new("test".into(), grants, None, None)),
            access,
            clock: Clock::System,
            call: None,
        }
    }

    #[test]
    fn a11_every_rpc_of_the_contract_has_its_access() {
        let set = FileDescriptorSet::decode(countersign_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut rpcs = 0;
        for file in set
            .file
            .iter()
            .filter(|file| file.package() == "countersign.v1")
        {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/countersign.v1.{}/{}", service.name(), method.name());
                    assert!(access_of(&path).is_some(), "{path} has no access");
                    rpcs += 1;
                }
            }
        }
        assert!(rpcs >= 23, "{rpcs}");
        for path in [
            "/countersign.v1.CountersignService/Other",
            "/countersign.v1.",
            "/x",
            "",
        ] {
            assert_eq!(access_of(path), None, "{path}");
        }
    }

    #[test]
    fn a_call_may_do_what_its_permission_says_and_nothing_else() {
        let verify = Access::Needs(Permission::Verify);
        let call = admitted(Permission::Verify, "acme/*", verify);
        assert!(call.may("acme/chat") && !call.may("other/chat") && !call.may_all());
        let call = admitted(Permission::Sign, "*", verify);
        assert!(!call.may("acme/chat") && call.authorize_any().is_err());
        let call = admitted(Permission::SecretsRead, "*", Access::ReadsEverything);
        assert!(call.authorize_all().is_err() && call.authorize("acme/chat").is_err());
    }

    #[test]
    fn a12_who_may_not_list_a_name_is_not_told_whether_it_is_there() {
        let verify = Access::Needs(Permission::Verify);
        let concealed = |permission| {
            let call = admitted(permission, "acme/*", verify);
            let failure = Failure::new(ErrorReason::SecretNotFound);
            call.conceal("acme/chat", failure).reason()
        };
        assert_eq!(concealed(Permission::Verify), ErrorReason::PermissionDenied);
        assert_eq!(
            concealed(Permission::SecretsRead),
            ErrorReason::SecretNotFound
        );
    }
}
