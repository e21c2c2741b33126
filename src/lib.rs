//! Recotem: from a file of user-item interactions to tuned, compared and deployed recommendations.

pub mod app;
pub mod cli;
pub mod features;
pub use recotem_connectors as connectors;
pub use recotem_ml as ml;
pub use recotem_platform as platform;
pub mod schema;
