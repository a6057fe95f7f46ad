//! What people upload, and what is fetched for them.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::database::Password;
use crate::config::values::{
    setting::section,
    shape::{HttpUrl, Lasting, Shape, Size, Span},
};

/// What one user may upload within a time: `1d=500M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) period: Span,
    pub(crate) size: Size,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.period, self.size)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Limit {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        let pair = text.split_once('=').ok_or("must be a time and an amount such as 1d=500M")?;
        let (period, size) = (Span::read(&pair.0.into())?, Size::read(&pair.1.into())?);
        if period.0.is_zero() {
            return Err("must have a time that is longer than nothing".into());
        }
        Ok(Self { period, size })
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w|y)?=[0-9]+[KMGTkmgt]?$" })
    }
}

/// The name of a bucket, of Amazon's or of others, who allow more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Bucket(pub(crate) String);

impl Shape for Bucket {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !(3..=63).contains(&text.len()) || !text.chars().all(allowed) {
            return Err("must be 3 to 63 of a-z, 0-9 and - . _".into());
        }
        Ok(Self(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{3,63}$" })
    }
}

section! {
    /// What people upload, and what is fetched for them.
    Media "media" {
        /// How much one user may upload within a time, such as `1d=500M,30d=2G`. The size of a single upload is `synapse.max_upload_size`.
        user_limits: Vec<Limit> = "" ["MATRIX_SYNAPSE_MEDIA_USER_LIMITS"];
        /// How long uploads of local users are kept after they were last accessed; then they are deleted. Empty: for ever.
        local_lifetime: Option<Lasting> = "" ["MATRIX_SYNAPSE_LOCAL_MEDIA_LIFETIME"];
        /// Create thumbnails in any size a client asks for; otherwise in the usual sizes, once.
        dynamic_thumbnails: bool = "false" ["MATRIX_SYNAPSE_DYNAMIC_THUMBNAILS"];
        /// Fetch linked pages and show a preview. The server then connects to addresses that anybody posts; private networks stay blocked.
        url_previews: bool = "false" ["MATRIX_SYNAPSE_URL_PREVIEWS"];
        /// Most that is read for a preview.
        preview_size: Size = "10M" ["MATRIX_SYNAPSE_PREVIEW_SIZE"];
        /// Bucket of an S3-compatible object store; if set, uploads of local users are kept there as well.
        s3_bucket: Option<Bucket> = "" ["MATRIX_SYNAPSE_S3_BUCKET"];
        /// URL of the object store; default: Amazon's.
        s3_endpoint: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_S3_ENDPOINT"];
        /// Region of the bucket. Most stores other than Amazon's accept the default.
        s3_region: String = "us-east-1" ["MATRIX_SYNAPSE_S3_REGION"];
        /// Access key id of a key that may list, read and write the bucket.
        s3_access_key: String = "" ["MATRIX_SYNAPSE_S3_ACCESS_KEY"];
        /// Secret access key.
        #[secret] s3_secret_key: Option<Password> = "" ["MATRIX_SYNAPSE_S3_SECRET_KEY"];
        /// Prefix of all object names, such as `chat/`, for a bucket that has other objects too. It must not change once there are objects.
        s3_prefix: String = "" ["MATRIX_SYNAPSE_S3_PREFIX"];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_time_and_an_amount() {
        let limits = Vec::<Limit>::read(&"1d=500M, 4w=2G".into()).unwrap();
        assert_eq!(
            limits.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["1d=500M", "4w=2G"]
        );
        for wrong in ["500M", "1d=much", "soon=1G", "0s=1G"] {
            assert!(Vec::<Limit>::read(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
