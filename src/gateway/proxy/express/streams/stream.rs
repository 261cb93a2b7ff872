use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use http::request::Parts;
use pingora_core::server::ShutdownWatch;

use super::Peer;
use super::download::StreamDownload;
use super::kit::Kit;
use super::request::read_head;
use super::session::Handed;
use super::upload::StreamUpload;
use crate::base::{Answer, Now, Refusal};
use crate::gateway::proxy::answers::{refusal, tell};
use crate::gateway::proxy::arrival;
use crate::gateway::proxy::asked::{Asked, HeadSize};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::express::Express;
use crate::gateway::proxy::express::decide::Way;
use crate::gateway::proxy::express::downstream::Download;
use crate::gateway::proxy::express::exchange::{Carried, Order};
use crate::gateway::proxy::express::head::Framing;
use crate::gateway::respond::Reply;

/// A stream's two directions.
struct Stream {
    body: RecvStream,
    respond: SendResponse<Bytes>,
}

impl Express {
    /// Answers the request of one stream. Returns when it was over.
    pub(super) async fn answer_stream(
        &self,
        peer: &Peer,
        shutdown: &ShutdownWatch,
        (request, respond): (Request<RecvStream>, SendResponse<Bytes>),
    ) -> Now {
        let started = self.live.clock().now();
        let (mut parts, body) = request.into_parts();
        let mut stream = Stream { body, respond };
        match read_head(&mut parts, !stream.body.is_end_stream()) {
            Ok(framing) => self.answer_read(peer, shutdown, (parts, framing), stream, started).await,
            Err(why) => {
                let answer = Answer::new(Refusal::MalformedRequest, why);
                let mut ctx = Ctx::new(&self.live, started);
                let reply = refusal(answer, &mut ctx);
                let mut kit = self.kits.borrow();
                self.reply_to_stream(&mut stream, &mut kit, parts.method == http::Method::HEAD, &mut ctx, reply).await;
                self.kits.give_back(kit);
                let now = self.live.clock().now();
                tell(&self.live, None, peer.ip, &ctx, now);
                now
            }
        }
    }

    /// Runs the phases over a request and answers it.
    async fn answer_read(
        &self,
        peer: &Peer,
        shutdown: &ShutdownWatch,
        (parts, framing): (Parts, Framing),
        mut stream: Stream,
        started: Now,
    ) -> Now {
        let sent = Asked::of_parts(&parts, peer.ip, peer.scheme());
        let identity = arrival::identify(&sent.head, started);
        let mut ctx = Ctx::identified(&self.live, started, identity);
        let target_len = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let way = self.judge(&sent.head, HeadSize::of_parts(&parts, target_len), &mut ctx).await;
        let canonical = ctx.canonical.clone();
        let asked = sent.at(canonical.as_deref());
        let is_head = asked.head.method == "HEAD";
        let mut kit = self.kits.borrow();
        match way {
            Way::Reply(reply) => self.reply_to_stream(&mut stream, &mut kit, is_head, &mut ctx, reply).await,
            Way::PassOn => self.carry_stream(&mut stream, &mut kit, (&asked, framing), &mut ctx).await,
            Way::HandOver => {
                self.kits.give_back(kit);
                let handed = Handed::new(ctx);
                // The full lane's future is large, and few streams ever need it.
                Box::pin(self.hand_over_stream(peer, shutdown, parts, (stream.body, stream.respond), handed)).await;
                return self.live.clock().now();
            }
        }
        self.kits.give_back(kit);
        let ended = self.live.clock().now();
        tell(&self.live, Some(&asked), peer.ip, &ctx, ended);
        ended
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
            let _ = stream.respond.send_informational(go_on());
        }
        let patience = ctx.snapshot.limits().body_timeout;
        let Kit { bench, alarm, date } = &mut *kit;
        let mut up = StreamUpload::new(&mut stream.body, framing);
        let mut down = StreamDownload::new(&mut stream.respond, date, patience);
        let order = Order { asked, framing, bench, alarm };
        match self.carry(order, &mut up, &mut down, ctx).await {
            Carried::Answered(_) => {}
            Carried::Cut => down.cut(),
            Carried::Refused { answer, .. } => {
                let reply = refusal(answer, ctx);
                self.reply_to_stream(stream, kit, asked.head.method == "HEAD", ctx, reply).await;
            }
        }
    }

    /// Answers with what is at hand. A body that is still being sent is reset when the stream is dropped.
    async fn reply_to_stream(&self, stream: &mut Stream, kit: &mut Kit, is_head: bool, ctx: &mut Ctx, reply: Reply) {
        ctx.facts.status = reply.status;
        let patience = ctx.snapshot.limits().body_timeout;
        let mut down = StreamDownload::new(&mut stream.respond, &mut kit.date, patience);
        down.reply(reply, &ctx.seal(), is_head, ctx.facts.started).await;
        ctx.facts.bytes_out = down.moved();
    }
}

fn go_on() -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::CONTINUE;
    response
}
