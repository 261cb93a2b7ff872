use std::sync::Arc;

use pingora_error::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::Conductor;
use super::asked::Asked;
use super::change::make_change;
use super::contract::check_answer;
use super::ctx::Ctx;
use super::passed::{back_end_of, cleaning_of, with_outgoing};
use super::upload::Upload;
use crate::base::{Answer, Fields, Refusal};
use crate::gateway::integrate::{BackEnd, Exchange};
use crate::telemetry::{Contract, IntegrationFacts};

impl Conductor {
    /// Carries out a request whose body, or whose answer, somebody must have as a whole on its way. A step after the
    /// other: the request, the exchange, the answer, the reply.
    pub(super) async fn execute(&self, session: &mut Session, ctx: &mut Ctx, mut upload: Upload) -> Result<bool> {
        let body = match upload.whole(session, ctx).await {
            Ok(body) => body,
            Err(answer) => return self.refuse(session, ctx, answer).await,
        };
        let (back_end, request) = match outgoing(session, ctx) {
            Ok(request) => request,
            Err(answer) => return self.refuse(session, ctx, answer).await,
        };
        let mut told = IntegrationFacts::default();
        let exchange = self.fetches.open(&back_end, request, body, &mut told).await;
        ctx.facts.integration = told;
        let mut exchange = match exchange {
            Ok(exchange) => exchange,
            Err(answer) => return self.refuse(session, ctx, answer).await,
        };
        self.take_answer(&mut exchange, ctx);
        let mut contract = Contract::default();
        let answers = ctx.plan().and_then(|plan| plan.checks.answers());
        let checked = check_answer(answers, &mut exchange, &mut contract).await;
        ctx.facts.contract = contract;
        match checked {
            Ok(read) => {
                self.write_own_head(session, ctx, &exchange).await?;
                self.write_rest(session, ctx, *exchange, read).await
            }
            Err(answer) => self.refuse(session, ctx, answer).await,
        }
    }

    /// The back end has answered, whatever becomes of its answer.
    fn take_answer(&self, exchange: &mut Exchange<'_>, ctx: &mut Ctx) {
        let head = &mut exchange.head;
        make_change(head.status.as_u16(), &Fields::Map(&head.headers), ctx, self.live.clock().now());
        cleaning_of(ctx).clean(head);
    }
}

/// What is sent to the request's back end.
fn outgoing(session: &Session, ctx: &Ctx) -> std::result::Result<(Arc<BackEnd>, RequestHeader), Answer> {
    let canonical = ctx.canonical.clone();
    let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
    let built = back_end_of(ctx).cloned().zip(with_outgoing(&asked, ctx, |outgoing| outgoing.build(&[])));
    let none = || Answer::new(Refusal::InternalError, "this route has no back end");
    let (back_end, request) = built.ok_or_else(none)?;
    Ok((back_end, request?))
}
