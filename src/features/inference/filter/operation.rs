//! The operations of conditions.

use crate::platform::wire_enum;

wire_enum! {
    /// `contains` matches a list that contains the value, and a text that contains it.
    #[schema(as = ItemOperation)]
    pub enum Operation {
        Eq = "eq",
        Ne = "ne",
        In = "in",
        NotIn = "not_in",
        Lt = "lt",
        Le = "le",
        Gt = "gt",
        Ge = "ge",
        Exists = "exists",
        Contains = "contains",
    }
}
