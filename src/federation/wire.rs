//! One HTTPS request to one address, whatever certificate stands there: that is looked at afterwards.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, StatusCode, header};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{config::bracketed, matrix::error::reason};

/// No answer that is asked for here is larger, in bytes.
const LARGEST: usize = 1 << 20;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// What the other side showed, itself first.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// Takes every certificate, and keeps it. What is asked this way carries no secret.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        first: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let chain = [first].into_iter().chain(others).map(|it| it.clone().into_owned());
        if let Ok(mut seen) = self.seen.lock() {
            *seen = chain.collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// GETs a path of `https://host:port`, at that address, with that `Host` header.
pub(super) async fn get(
    host: &str,
    header: &str,
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> Result<Answer, String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let provider = Arc::new(ring::default_provider());
    let recorder = Recorder { provider: Arc::clone(&provider), seen: Arc::clone(&seen) };
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(recorder))
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .user_agent(concat!("resource-matrix-synapse/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(patience)
        .resolve(host, address)
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| reason(&error))?;
    let mut answer = client
        .get(format!("https://{}:{}{path}", bracketed(host), address.port()))
        .header(header::HOST, header)
        .send()
        .await
        .map_err(|error| reason(&error))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err("its answer does not end".to_owned());
        }
    }
    let chain = seen.lock().map(|seen| seen.clone()).unwrap_or_default();
    Ok(Answer { status, headers, body, chain })
}
