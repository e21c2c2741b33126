//! The parties that take turns in the queue.

/// The turn of a job: tenants take turns with each other, and so do the organisations of a tenant and the lanes of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// The tenant.
    pub tenant: String,
    /// The organisation, of the tenant.
    pub organisation: String,
    /// The lane, of the organisation.
    pub lane: String,
}
