//! What a condition asks of a field.

use crate::platform::wire_enum;

wire_enum! {
    /// `contains` asks whether a list has the value among it, or a text has it in it.
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
