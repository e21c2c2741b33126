//! The project that a new object belongs to, as bodies name it.

use crate::platform::http::body::Id;
use crate::platform::http::{FieldReader, Write};
use crate::platform::request_fields;

request_fields! {
    /// The project of an object.
    pub struct OfProject {
        pub project: i64 => Id,
    }
}

impl OfProject {
    /// Reads the project of a body about an object of the project `current`. Another project is a fault, which `message`
    /// explains. A replacement that is not `partial` has to name the project.
    pub fn read_same(fields: &mut FieldReader, current: i64, partial: bool, message: &str) {
        let OfProject { project } = Self::read(fields, Write::over(&Self { project: current }, partial));
        if fields.has("project") && project != current {
            fields.fault("project", message);
        }
    }
}
