//! The parts of Amazon Resource Names that matter here: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.

/// The six parts of an ARN.
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next();
        if part()? != "arn" {
            return None;
        }
        let arn = Self {
            partition: part()?,
            service: part()?,
            region: part()?,
            account: part()?,
            resource: part()?,
        };
        arn.partition.starts_with("aws").then_some(arn)
    }
}

/// The region of a KMS key or alias, in any partition (`aws`, `aws-cn`, `aws-us-gov`, …).
///
/// The region becomes a part of a host name, so it may hold nothing that leads to another host.
pub(super) fn region_of_key(arn: &str) -> Option<&str> {
    let arn = Arn::parse(arn)?;
    let is_key = ["key/", "alias/"]
        .iter()
        .any(|kind| arn.resource.strip_prefix(kind).is_some_and(|name| !name.is_empty()));
    let is_label = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_account = !arn.account.is_empty() && arn.account.bytes().all(|b| b.is_ascii_digit());
    (arn.service == "kms" && is_key && is_account && is_label(arn.region)).then_some(arn.region)
}

/// Whether the caller, as `GetCallerIdentity` names it, is a session of the role.
///
/// A role is `arn:aws:iam::ACCOUNT:role/PATH/NAME`, a session of it `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`: the
/// path is lost, but names are unique in an account without it (IAM's "Identifiers" guide).
pub(super) fn is_session_of(caller: &str, role: &str) -> bool {
    fn names<'a>(caller: &'a Arn<'_>, role: &'a Arn<'_>) -> Option<(&'a str, &'a str)> {
        let (session_of, session) = caller.resource.strip_prefix("assumed-role/")?.split_once('/')?;
        let name = role.resource.strip_prefix("role/")?.rsplit('/').next()?;
        (!session.is_empty() && !name.is_empty()).then_some((session_of, name))
    }
    let (Some(caller), Some(role)) = (Arn::parse(caller), Arn::parse(role)) else {
        return false;
    };
    caller.service == "sts"
        && role.service == "iam"
        && caller.partition == role.partition
        && caller.account == role.account
        && names(&caller, &role).is_some_and(|(session_of, name)| session_of == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_keys_and_aliases_in_any_partition() {
        for (arn, region) in [
            ("arn:aws:kms:us-west-2:107501996527:key/612d5f0d-a1c3-45e6-aca6-a5b005693a48", "us-west-2"),
            ("arn:aws:kms:us-west-2:107501996527:key/mrk-0123456789abcdef0123456789abcdef", "us-west-2"),
            ("arn:aws-cn:kms:cn-north-1:107501996527:alias/team/with:colon", "cn-north-1"),
            ("arn:aws-us-gov:kms:us-gov-west-1:107501996527:alias/a", "us-gov-west-1"),
        ] {
            assert_eq!(region_of_key(arn), Some(region), "{arn}");
        }
    }

    #[test]
    fn what_is_no_key_has_no_region() {
        for arn in [
            "",
            "alias/a",
            "arn:aws:kms:us-west-2:107501996527",
            "arn:aws:kms:us-west-2:107501996527:key/",
            "arn:aws:kms:us-west-2:107501996527:grant/a",
            "arn:aws:kms:us-west-2:me:key/a",
            "arn:aws:kms:us-west-2::key/a",
            "arn:aws:s3:us-west-2:107501996527:key/a",
            "arn:gcp:kms:us-west-2:107501996527:key/a",
            "arn:aws:kms::107501996527:key/a",
            "arn:aws:kms:evil.example/?:107501996527:key/a",
            "arn:aws:kms:evil.example#:107501996527:key/a",
            "arn:aws:kms:US-WEST-2:107501996527:key/a",
        ] {
            assert_eq!(region_of_key(arn), None, "{arn}");
        }
    }

    #[test]
    fn a_session_belongs_to_the_role_of_its_name_and_account() {
        let caller = "arn:aws:sts::111122223333:assumed-role/deploy/i-0abc";
        assert!(is_session_of(caller, "arn:aws:iam::111122223333:role/deploy"));
        assert!(is_session_of(caller, "arn:aws:iam::111122223333:role/team/ci/deploy"));
        for role in [
            "arn:aws:iam::444455556666:role/deploy",
            "arn:aws-cn:iam::111122223333:role/deploy",
            "arn:aws:iam::111122223333:role/deploy2",
            "arn:aws:iam::111122223333:role/deploy/other",
            "arn:aws:iam::111122223333:user/deploy",
            "deploy",
        ] {
            assert!(!is_session_of(caller, role), "{role}");
        }
        for caller in [
            "arn:aws:iam::111122223333:user/deploy",
            "arn:aws:sts::111122223333:federated-user/deploy",
            "arn:aws:sts::111122223333:assumed-role/deploy",
            "arn:aws:sts::111122223333:assumed-role/deploy/",
            "arn:aws:iam::111122223333:assumed-role/deploy/i-0abc",
        ] {
            assert!(!is_session_of(caller, "arn:aws:iam::111122223333:role/deploy"), "{caller}");
        }
    }
}
