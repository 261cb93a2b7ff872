use prometheus::{IntCounter, IntGauge, Registry};

use super::family::Family;
use super::metrics::family;

/// Counts what became of orders for certificates.
pub(super) struct Orders {
    ended: Family<IntCounter>,
    next: Family<IntGauge>,
}

impl Orders {
    pub fn register(registry: &Registry) -> Orders {
        Orders {
            ended: family(
                registry,
                "tollgate_acme_orders_total",
                "Orders for a certificate that were tried, by what became of them.",
                &["certificate", "result"],
            ),
            next: family(
                registry,
                "tollgate_acme_next_order_timestamp_seconds",
                "When a certificate is ordered next: renewed, or tried again.",
                &["certificate"],
            ),
        }
    }

    /// Both results of a certificate from the start, at zero: an alert on a rate sees the first one.
    pub fn expect(&self, certificate: &str) {
        for result in ["success", "failure"] {
            self.ended.child(&[certificate, result]);
        }
    }

    pub fn ended(&self, certificate: &str, is_success: bool) {
        self.ended.child(&[certificate, if is_success { "success" } else { "failure" }]).inc();
    }

    pub fn set_next(&self, certificate: &str, unix_s: i64) {
        self.next.child(&[certificate]).set(unix_s);
    }
}
