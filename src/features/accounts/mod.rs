//! Accounts: users, the organisations they belong to with a role, and how they authenticate.
//! [`Access`] in a handler's signature is the only way to load an object of an organisation, and it states the role needed.

mod access;
mod error;
mod hashing;
mod known_networks;
mod model;
mod passwords;
mod principal;
mod routes;
mod service;
mod session_limits;
mod store;
mod tenant;
mod tokens;

pub use access::{Access, Admin, Asked, Editor, Guarded, Owner, Ownership, RoleNeeded, Viewer};
pub use error::AccountError;
pub use hashing::{Hashing, hashing};
pub use known_networks::KnownNetworks;
pub use model::{Organisation, Role, User};
pub use principal::{Authentication, KeyGrant, Principal, Scope, of_request as caller_of};
pub use routes::{ACCESS_COOKIE, Docs, create_account, open_session, refuse_uninvited, routes};
pub use service::invitations::MailedInvitations;
pub use service::{
    Session, authenticate_counted, authenticate_session, authenticate_token, create_superuser, first_user, principal_of,
    put_test_user, user_named_by,
};
pub use session_limits::SessionLimits;
pub(crate) use store::load_of_project;
pub use store::{active_user, personal_organisation, user_by_name};
pub use tenant::{Tenant, tenant_of};
