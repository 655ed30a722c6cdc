//! Names of keys as rules give them → the ids by which metadata names the same keys (`MasterKey.ToString` of each of sops'
//! key packages).

use crate::master_key::KeyKind;

/// The id of a key that is named by one string, blanks around it taken off; or why it is none.
pub(super) fn of(kind: KeyKind, name: &str) -> Result<String, &'static str> {
    match kind {
        KeyKind::Pgp | KeyKind::GcpKms => Ok(name.replace(' ', "")),
        KeyKind::HuaweiKms => {
            let whole = name.split_once(':').filter(|(region, key)| !blank(region) && !blank(key));
            whole.map(|_| name.to_owned()).ok_or("REGION:KEY is expected")
        }
        KeyKind::AzureKeyVault => azure_url(name).ok_or("https://VAULT/keys/NAME[/VERSION] is expected"),
        KeyKind::HashicorpVault => vault_uri(name).ok_or("https://HOST/v1/ENGINE/keys/NAME is expected"),
        KeyKind::AwsKms | KeyKind::Age => Ok(name.to_owned()),
    }
}

/// The id of a key in Azure's Key Vault. sops looks up the version of a key that is named without one when it encrypts, so
/// an id that ends in `/` is that of no sealed key.
pub(super) fn azure(vault: &str, key: &str, version: &str) -> String {
    format!("{vault}/keys/{key}/{version}")
}

/// `arn+arn:aws:iam::…:role/…`: the ARN of a role behind a plus. The ARNs of keys hold no `+arn:`.
pub(super) fn arn_and_role(name: &str) -> (String, Option<String>) {
    let name = name.replace(' ', "");
    match name.find("+arn:").filter(|plus| *plus > 0).map(|plus| name.split_at(plus)) {
        Some((arn, role)) => (arn.to_owned(), Some(role.trim_start_matches('+').to_owned())),
        None => (name, None),
    }
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// `https://VAULT/keys/NAME`, with or without `/VERSION`.
fn azure_url(url: &str) -> Option<String> {
    let (host, path) = url.strip_prefix("https://")?.split_once('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["keys", name] if !host.is_empty() && !name.is_empty() => {
            Some(azure(&format!("https://{host}"), name, ""))
        }
        ["keys", name, version] if !host.is_empty() && !name.is_empty() => {
            Some(azure(&format!("https://{host}"), name, version))
        }
        _ => None,
    }
}

/// `SCHEME://HOST/vN/ENGINE/keys/NAME`, where the engine may have a path of several parts.
fn vault_uri(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let [version, engine @ .., _, name] = parts.as_slice() else { return None };
    let number = version.strip_prefix('v').filter(|number| !number.is_empty())?;
    let whole = !scheme.is_empty() && !engine.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| format!("{scheme}://{host}/v1/{}/keys/{name}", engine.join("/")))
}
