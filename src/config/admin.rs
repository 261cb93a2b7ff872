use super::Located;

/// `[admin]`: the listener for operators.
#[derive(Debug)]
pub struct Admin {
    /// Loopback by default.
    pub listen: Located<String>,
    /// Without one only reads from loopback are answered. A secret.
    pub token: Option<String>,
}
