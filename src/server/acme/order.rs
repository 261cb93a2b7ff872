use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};

use super::trouble::{Trouble, word};
use crate::gateway::snapshot::{Issuance, Proof};

/// How long an authority may take to look at the proofs, and to issue.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_secs(120));

/// Orders a certificate for `names` and proves that they are ours. Comes to PEM: its key, then its chain.
///
/// `replaces`: the certificate that it follows (RFC 9773 section 5).
pub(super) async fn place(
    account: &Account,
    names: impl Iterator<Item = &str>,
    replaces: Option<CertificateIdentifier<'static>>,
    issuance: &Issuance,
) -> Result<String, Trouble> {
    let names: Vec<Identifier> = names.map(|name| Identifier::Dns(name.to_owned())).collect();
    let wanted = NewOrder::new(&names);
    let wanted = replaces.into_iter().fold(wanted, NewOrder::replaces);
    let mut order = account.new_order(&wanted).await?;
    let proofs = prove(&mut order, issuance).await?;
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => {}
        ended => return Err(refusal(&mut order, ended).await),
    }
    drop(proofs);
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(key + &chain)
}

/// Has each name's challenge answered, and says so to the authority. Names that it knows to be ours need none.
async fn prove<'i>(order: &mut Order, issuance: &'i Issuance) -> Result<Vec<Proof<'i>>, Trouble> {
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge = challenge.ok_or_else(|| Trouble::refused(format!("{name}: HTTP-01 is not offered")))?;
        proofs.push(issuance.prove(&challenge.token, challenge.key_authorization().as_str()));
        challenge.set_ready().await?;
    }
    Ok(proofs)
}

/// Why an order came to nothing: what the authority saw of the names says more than the order does.
async fn refusal(order: &mut Order, ended: Result<OrderStatus, instant_acme::Error>) -> Trouble {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Trouble::refused(format!("{}: {}", state.identifier(), word(problem)));
        }
    }
    match ended {
        Ok(status) => Trouble::refused(format!("the order is {status:?}")),
        Err(error) => error.into(),
    }
}
