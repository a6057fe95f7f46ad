//! Requests to the homeserver, one after the other over one connection. It listens on loopback and speaks plain HTTP/1.1
//! there.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ruma::{
    api::{
        IncomingResponse as _, MatrixVersion, OutgoingRequest, SupportedVersions,
        auth_scheme::{AuthScheme, SendAccessToken},
        client::uiaa::UiaaResponse,
        error::{Error as Refusal, ErrorBody, FromHttpResponseError},
        path_builder::PathBuilder,
    },
    exports::http::{self as http, Uri, header},
};
use tokio::net::TcpStream;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` is no address of a homeserver on this machine")]
    Address(String),
    #[error("the homeserver cannot be reached")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Refused),
    #[error("the homeserver's answer cannot be understood")]
    Unclear(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the homeserver said no with.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Error {
    /// Whether there is none of what was asked for.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(Refused { status: 404, .. }))
    }
}

impl Error {
    /// Whether keys were for a backup that is not the account's any more.
    pub(crate) fn is_other_backup(&self) -> bool {
        matches!(self, Self::Refused(Refused { code, .. }) if code == "M_WRONG_ROOM_KEYS_VERSION")
            || self.is_missing()
    }
}

pub(crate) struct Http {
    url: String,
    host: String,
    token: String,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Http {
    pub(crate) fn new(url: &str, token: &str) -> Result<Self, Error> {
        let bad = || Error::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(bad)?;
        let host = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Self { url: url.to_owned(), host, token: token.to_owned(), open: None })
    }

    /// Whether these are what it asks with.
    pub(crate) fn is(&self, url: &str, token: &str) -> bool {
        self.url == url && self.token == token
    }

    pub(crate) async fn send<R>(&mut self, request: R) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest,
        R::EndpointError: Into<Refused>,
        for<'a> R::Authentication: AuthScheme<Input<'a> = SendAccessToken<'a>>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = std::borrow::Cow<'a, SupportedVersions>>,
    {
        let unclear = |error| Error::Unclear(Box::new(error));
        let versions =
            SupportedVersions { versions: [MatrixVersion::V1_11].into(), features: [].into() };
        let token = SendAccessToken::IfRequired(&self.token);
        let mut request = request
            .try_into_http_request::<Vec<u8>>(&self.url, token, std::borrow::Cow::Owned(versions))
            .map_err(unclear)?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = path.parse().map_err(|error| Error::Unclear(Box::new(error)))?;
        let host = self.host.parse().map_err(|_| Error::Address(self.url.clone()))?;
        request.headers_mut().insert(header::HOST, host);
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let response = match self.answered(request.clone()).await {
            // A connection that was idle may have been closed; each of our requests may be made twice.
            Err(Error::Away(_)) => self.answered(request).await?,
            answered => answered?,
        };
        R::IncomingResponse::try_from_http_response(response).map_err(|error| match error {
            FromHttpResponseError::Server(refusal) => Error::Refused(refusal.into()),
            error => Error::Unclear(error.to_string().into()),
        })
    }

    async fn answered(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Bytes>, Error> {
        let mut open = match self.open.take() {
            Some(open) if open.is_ready() => open,
            _ => self.connected().await?,
        };
        let response = open.send_request(request).await.map_err(away)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(away)?.to_bytes();
        self.open = Some(open);
        Ok(http::Response::from_parts(head, body))
    }

    async fn connected(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let stream = TcpStream::connect(&self.host).await.map_err(away)?;
        stream.set_nodelay(true).map_err(away)?;
        let (mut open, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
        tokio::spawn(connection);
        open.ready().await.map_err(away)?;
        Ok(open)
    }
}

fn away(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Away(Box::new(error))
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status_code.as_u16(),
            code: refusal.error_kind().map_or_else(String::new, |kind| kind.errcode().to_string()),
            message: match &refusal.body {
                ErrorBody::Standard(body) => body.message.clone(),
                _ => refusal.status_code.to_string(),
            },
        }
    }
}

impl From<UiaaResponse> for Refused {
    fn from(refusal: UiaaResponse) -> Self {
        match refusal {
            UiaaResponse::MatrixError(error) => error.into(),
            UiaaResponse::AuthResponse(_) => Self {
                status: 401,
                code: "M_FORBIDDEN".to_owned(),
                message: "the homeserver wants the account's password for that".to_owned(),
            },
        }
    }
}
