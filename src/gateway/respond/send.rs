use std::time::Duration;

use http::header;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::{Reply, Seal};

/// A refused client that still sends at most this much keeps its connection: what it sends is read and dropped.
const DRAIN_BYTES_MAX: u64 = 64 << 10;
/// How long reading and dropping may take.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the body of a refused request, of this announced length in bytes, is read and dropped.
pub fn may_drain(announced: u64) -> bool {
    announced <= DRAIN_BYTES_MAX
}

/// Writes a whole answer. The body is left out for `HEAD`, its length is not.
pub async fn send(session: &mut Session, reply: Reply, seal: &Seal) -> Result<()> {
    let is_head = session.req_header().method == http::Method::HEAD;
    let has_body = !is_head && !reply.body.is_empty();
    let mut head = ResponseHeader::build_no_case(reply.status, Some(reply.fields.len() + 6))?;
    for (name, value) in reply.fields {
        head.append_header(name, value)?;
    }
    if !matches!(reply.status, 204 | 304) {
        head.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
    }
    send_head(session, head, seal, !has_body).await?;
    if has_body {
        session.write_response_body(Some(reply.body), true).await?;
    }
    Ok(())
}

/// Writes the sealed head of an answer whose body the caller writes.
pub async fn send_head(session: &mut Session, mut head: ResponseHeader, seal: &Seal, is_end: bool) -> Result<()> {
    seal.apply(&mut head);
    keep_connection_where_safe(session);
    session.write_response_header(Box::new(head), is_end).await
}

/// Pingora closes a connection whose request body is unread when the answer leaves. A small rest is drained
/// instead, so that a client that was refused early can go on.
fn keep_connection_where_safe(session: &mut Session) {
    if session.is_body_done() || session.is_body_empty() {
        return;
    }
    let announced =
        session.get_header(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // A client that waits for 100 Continue will not send the body that its head announces.
    let waits = session.get_header(header::EXPECT).is_some();
    if announced.is_some_and(may_drain) && !waits {
        session.set_close_on_response_before_downstream_finish(false);
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
    }
}
