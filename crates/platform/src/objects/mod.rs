//! Files in the stores of others: S3 and what speaks its protocol, Google Cloud Storage, Azure, web servers, and folders that the
//! operator has released.
//!
//! ```text
//! StoreSettings ──► Objects ──► list, head, get (a range, one version), put (in parts), delete
//!                     │
//!                     └─► outbound ─► the store
//! ```
//!
//! Every request goes through [`Outbound`](crate::outbound::Outbound). A store is given the credentials of its settings or none:
//! neither the environment nor the metadata service of a cloud is asked, so that no user borrows the rights of this machine.
//! Folders and web servers are only read.
//!
//! | file | duty |
//! |---|---|
//! | `settings` | where a store is |
//! | `error` | why an object cannot be read or written |
//! | `answers` | what is said of objects; an object that is being read |
//! | `transport` | the way out of the library `object_store` |
//! | `service_account` | the key file of a Google service account |
//! | `bucket` | S3, Google Cloud Storage and Azure |
//! | `writing` | an object that is being written |
//! | `folder` | folders of this machine |
//! | `web` | files of web servers |
//! | `store` | all of them behind one face |

mod answers;
mod bucket;
mod error;
mod folder;
mod service_account;
mod settings;
mod store;
mod transport;
mod web;
mod writing;

pub use answers::{Get, Listed, ObjectMeta, Reading};
pub use error::ObjectError;
pub use settings::{AzureSettings, FolderSettings, GcsSettings, S3Settings, SettingFault, StoreSettings, WebSettings};
pub use store::Objects;
pub use writing::Writing;
