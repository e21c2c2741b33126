//! The kinds of servers and places.

recotem_platform::wire_enum! {
    /// What a data connection leads to.
    pub enum ConnectionKind {
        Postgresql = "postgresql",
        Mysql = "mysql",
        Folder = "folder",
        Http = "http",
        S3 = "s3",
        Gcs = "gcs",
        Azure = "azure",
        Bigquery = "bigquery",
    }
}

impl ConnectionKind {
    /// Returns whether this version reads from servers of the kind.
    pub fn is_available(self) -> bool {
        Self::AVAILABLE.contains(&self)
    }

    /// The kinds that this version reads from. Google Cloud Storage and Azure have not been tried on a counterpart yet.
    pub const AVAILABLE: &'static [Self] = &[Self::Postgresql, Self::Mysql, Self::Folder, Self::Http, Self::S3];

    /// Returns whether files are read rather than tables.
    pub fn has_files(self) -> bool {
        matches!(self, Self::Folder | Self::Http | Self::S3 | Self::Gcs | Self::Azure)
    }
}
