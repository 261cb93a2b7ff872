use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request, Response, StatusCode};
use pingora_core::server::ShutdownWatch;

use super::Peer;
use super::downlink::StreamDownlink;
use super::handover::Handed;
use super::kit::Kit;
use super::request::read_head;
use super::uplink::StreamUplink;
use crate::base::{Answer, Now, Refusal};
use crate::gateway::proxy::answers::{hit, refusal, stored, tell};
use crate::gateway::proxy::arrival;
use crate::gateway::proxy::asked::{Asked, HeadSize};
use crate::gateway::proxy::cached::note;
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::express::Express;
use crate::gateway::proxy::express::decide::{Held, Way};
use crate::gateway::proxy::express::downstream::Downlink;
use crate::gateway::proxy::express::exchange::{Carried, Order};
use crate::gateway::proxy::express::head::Framing;
use crate::gateway::proxy::source::attribute;
use crate::gateway::respond::Reply;
use crate::gateway::snapshot::Standing;

/// A stream's two directions.
struct Stream {
    body: RecvStream,
    respond: SendResponse<Bytes>,
}

impl Express {
    /// Answers the request of one stream. Comes to the moment when it was over.
    pub(super) fn answer_stream(
        &self,
        peer: &Peer,
        shutdown: &ShutdownWatch,
        (request, respond): (Request<RecvStream>, SendResponse<Bytes>),
        standing: Standing,
    ) -> impl Future<Output = Now> + Send {
        let (mut parts, body) = request.into_parts();
        let mut stream = Stream { body, respond };
        // What is captured is held once; what a function of its own were given would be held twice.
        async move {
            let started = self.live.clock().now();
            let framing = match read_head(&mut parts, !stream.body.is_end_stream()) {
                Ok(framing) => framing,
                Err(why) => {
                    let is_head = parts.method == Method::HEAD;
                    return Box::pin(self.refuse_unread_stream(peer, &mut stream, why, is_head, started)).await;
                }
            };
            let mut sent = Asked::of_parts(&parts, peer.ip, peer.scheme());
            let identity = arrival::identify(&sent.head, started);
            let mut kit = self.kits.borrow(&self.live);
            attribute(&mut sent.head, peer.ip, kit.paper.current.load().trusted_proxies());
            let mut ctx = kit.paper.context(&self.live, started, identity);
            ctx.standing = standing;
            ctx.facts.client_subject.clone_from(&peer.subject);
            let target_len = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
            let checked = arrival::check(&sent.head, HeadSize::of_parts(&parts, target_len), &mut ctx);
            let canonical = ctx.canonical.clone();
            sent.respell(canonical.as_deref());
            let asked = &sent;
            let way = match checked {
                Ok(()) => self.judge(asked, &mut ctx).await,
                Err(answer) => Way::Held(Held::Refused(answer)),
            };
            match way {
                Way::Held(held) => {
                    let is_head = asked.head.method == "HEAD";
                    self.reply_to_stream(&mut stream, &mut kit, (Some(asked), is_head), &mut ctx, held).await;
                }
                Way::PassOn => self.carry_stream(&mut stream, &mut kit, (asked, framing), &mut ctx).await,
                Way::HandOver => {
                    self.kits.give_back(kit);
                    let both = (stream.body, stream.respond);
                    // The full lane's future is large, and few streams ever need it.
                    Box::pin(self.hand_over_stream(peer, shutdown, parts, both, Handed::new(ctx))).await;
                    return self.live.clock().now();
                }
            }
            let ended = self.live.clock().now();
            tell(&self.live, Some(asked), asked.head.client, &ctx, ended);
            kit.paper.keep(ctx);
            self.kits.give_back(kit);
            ended
        }
    }

    async fn refuse_unread_stream(
        &self,
        peer: &Peer,
        stream: &mut Stream,
        why: &'static str,
        is_head: bool,
        started: Now,
    ) -> Now {
        let mut ctx = Ctx::new(&self.live, started);
        ctx.facts.client_subject.clone_from(&peer.subject);
        let mut kit = self.kits.borrow(&self.live);
        let held = Held::Refused(Answer::new(Refusal::MalformedRequest, why));
        self.reply_to_stream(stream, &mut kit, (None, is_head), &mut ctx, held).await;
        self.kits.give_back(kit);
        let now = self.live.clock().now();
        tell(&self.live, None, peer.ip, &ctx, now);
        now
    }

    async fn carry_stream(
        &self,
        stream: &mut Stream,
        kit: &mut Kit,
        (asked, framing): (&Asked<'_>, Framing),
        ctx: &mut Ctx,
    ) {
        if framing != Framing::None && asked.head.fields.get("expect").is_some() {
            // A client that is gone is noticed when it is read from.
            let _ = stream.respond.send_informational(go_ahead());
        }
        let patience = ctx.snapshot.limits().body_timeout;
        let Kit { paper, alarm, date } = &mut *kit;
        let mut up = StreamUplink::new(&mut stream.body, framing);
        let mut down = StreamDownlink::new(&mut stream.respond, date, patience);
        let order = Order { asked, framing, bench: &mut paper.bench, alarm };
        match self.carry(order, &mut up, &mut down, ctx).await {
            Carried::Answered(_) => {}
            Carried::Cut => down.cut(),
            Carried::Refused { answer, .. } => {
                let is_head = asked.head.method == "HEAD";
                self.reply_to_stream(stream, kit, (Some(asked), is_head), ctx, Held::Refused(answer)).await;
            }
        }
    }

    /// Answers with what is at hand. A body that is still being sent is reset when the stream is dropped.
    async fn reply_to_stream(
        &self,
        stream: &mut Stream,
        kit: &mut Kit,
        (asked, is_head): (Option<&Asked<'_>>, bool),
        ctx: &mut Ctx,
        held: Held,
    ) {
        let reply = worded(held, asked, ctx);
        ctx.facts.status = reply.status;
        let patience = ctx.snapshot.limits().body_timeout;
        let mut down = StreamDownlink::new(&mut stream.respond, &mut kit.date, patience);
        down.reply(reply, &ctx.seal(), is_head, ctx.facts.started).await;
        ctx.facts.bytes_out = down.moved();
    }
}

/// Collects the fields of an answer, and notes it.
fn worded(held: Held, asked: Option<&Asked<'_>>, ctx: &mut Ctx) -> Reply {
    match held {
        Held::Refused(answer) => refusal(answer, asked, ctx),
        Held::Stored(entry) => {
            note(ctx, hit(&entry, ctx.facts.started));
            stored(&entry, ctx.facts.started, ctx)
        }
        Held::Fixed(reply) => *reply,
    }
}

fn go_ahead() -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::CONTINUE;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

    fn bytes_of<'a, F>(_: impl Fn(&'a Express, &'a Peer, &'a ShutdownWatch, Incoming) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_stream_that_waits_takes_few_kilobytes() {
        let bytes = bytes_of(|express, peer, shutdown, incoming| {
            express.answer_stream(peer, shutdown, incoming, Standing::default())
        });
        assert!(bytes <= 4096, "{bytes}");
    }
}
