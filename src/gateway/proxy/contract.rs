use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use crate::base::{Answer, Fields};
use crate::gateway::integrate::Exchange;
use crate::gateway::validate::Answers;
use crate::telemetry::Contract;

/// Of an answer's body; what is larger goes by unchecked.
const CHECKED_BYTES_MAX: usize = 1 << 20;

/// Holds an answer, whose body is still to come, to what its operation says. Returns what was read of the body for
/// that, which stands before the rest.
///
/// # Errors
/// What to answer instead of an answer that is withheld, or whose body did not come.
pub(super) async fn check_answer(
    answers: Option<&Answers>,
    exchange: &mut Exchange<'_>,
    contract: &mut Contract,
) -> Result<Option<Bytes>, Answer> {
    let Some(answers) = answers else { return Ok(None) };
    let status = exchange.head.status.as_u16();
    let read = match answers.wants_body(status, &Fields::Map(&exchange.head.headers)) {
        true => Some(read_start(exchange).await?),
        false => None,
    };
    let whole = read.as_ref().filter(|body| body.len() <= CHECKED_BYTES_MAX);
    let checked = answers.check(status, &Fields::Map(&exchange.head.headers), whole.map(|body| &body[..]));
    if checked.is_ok() && whole.is_none() && read.is_some() {
        *contract = Contract::Unchecked;
    }
    settle(answers, checked, contract)?;
    Ok(read.filter(|body| !body.is_empty()))
}

/// Holds an answer that templates made to what its operation says.
///
/// # Errors
/// What to answer instead of one that is withheld.
pub(super) fn check_made(
    answers: &Answers,
    status: u16,
    fields: &HeaderMap,
    body: &[u8],
    contract: &mut Contract,
) -> Result<(), Answer> {
    let is_small = body.len() <= CHECKED_BYTES_MAX;
    if !is_small && answers.wants_body(status, &Fields::Map(fields)) {
        *contract = Contract::Unchecked;
    }
    settle(answers, answers.check(status, &Fields::Map(fields), is_small.then_some(body)), contract)
}

/// Notes what is wrong with an answer; an error where that is enforced.
fn settle(answers: &Answers, checked: Result<(), String>, contract: &mut Contract) -> Result<(), Answer> {
    let Err(why) = checked else { return Ok(()) };
    *contract = Contract::Broken(why.as_str().into());
    if answers.is_enforced() { Err(Answers::refusal(why)) } else { Ok(()) }
}

/// The body, if it is no larger than what is checked; else as much of it as shows that.
async fn read_start(exchange: &mut Exchange<'_>) -> Result<Bytes, Answer> {
    let Some(mut body) = exchange.chunk().await? else { return Ok(Bytes::new()) };
    while body.len() <= CHECKED_BYTES_MAX {
        let Some(piece) = exchange.chunk().await? else { break };
        let mut joined = BytesMut::from(body);
        joined.extend_from_slice(&piece);
        body = joined.freeze();
    }
    Ok(body)
}
