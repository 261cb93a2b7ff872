use std::path::{Path, PathBuf};

use instant_acme::{Account, AccountCredentials, NewAccount};

use super::http::Https;
use super::shelf;
use super::trouble::Trouble;
use crate::config::Acme;

/// Opens the account that is kept in `folder`, or makes one and keeps it.
pub(super) async fn open(acme: &Acme, folder: &Path, https: Https) -> Result<Account, Trouble> {
    let builder = Account::builder_with_http(Box::new(https));
    if let Some(credentials) = stored(folder) {
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact: Vec<String> = acme.email.iter().map(|email| format!("mailto:{email}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let account =
        NewAccount { contact: &contact, terms_of_service_agreed: acme.agree_tos, only_return_existing: false };
    let (account, credentials) = builder.create(&account, acme.directory.value.clone(), None).await?;
    let text = serde_json::to_string(&credentials).map_err(|error| Trouble::refused(error.to_string()))?;
    shelf::put(&file(folder), text).await.map_err(Trouble::away)?;
    tracing::info!(directory = *acme.directory, account = account.id(), "an ACME account was made");
    Ok(account)
}

/// Lets go of an account that its authority does not know.
pub(super) fn forget(folder: &Path) {
    let file = file(folder);
    if let Err(error) = std::fs::rename(&file, file.with_extension("unknown")) {
        tracing::error!(file = %file.display(), %error, "an ACME account that is unknown cannot be put away");
    }
}

fn stored(folder: &Path) -> Option<AccountCredentials> {
    let file = file(folder);
    let text = std::fs::read(&file).ok()?;
    let credentials = serde_json::from_slice(&text);
    if let Err(error) = &credentials {
        tracing::error!(file = %file.display(), %error, "an ACME account cannot be read, another is made");
    }
    credentials.ok()
}

fn file(folder: &Path) -> PathBuf {
    folder.join("account.json")
}
