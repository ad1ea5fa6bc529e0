//! TLS from certificate files, which can be read again while the server runs.

use crate::config::TlsConfig;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A certificate and its key, in use.
pub struct Tls {
    cert_file: PathBuf,
    key_file: PathBuf,
    acceptor: RwLock<TlsAcceptor>,
}

/// Why TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or holds something else.
    #[error("can't read {}: {error}; it must be PEM and readable by the server", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the reader said.
        error: pem::Error,
    },
    /// The two don't belong together, or the key is of a kind that isn't supported.
    #[error("the certificate in `server.tls.cert_file` and the key in `server.tls.key_file` don't work: {0}")]
    Pair(#[from] rustls::Error),
}

impl Tls {
    /// Reads the files of a configuration; [`None`] where TLS is off.
    pub fn open(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let Some((cert_file, key_file)) = config.files() else { return Ok(None) };
        let acceptor = RwLock::new(read(cert_file, key_file)?);
        Ok(Some(Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), acceptor }))
    }

    /// Reads the files again, for connections that begin from now on. Where that fails, the old ones stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.cert_file, &self.key_file)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.accept(stream).await
    }
}

fn read(cert_file: &Path, key_file: &Path) -> Result<TlsAcceptor, TlsError> {
    let failed = |file: &Path| {
        let file = file.to_owned();
        move |error| TlsError::File { file, error }
    };
    let chain = CertificateDer::pem_file_iter(cert_file)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(failed(cert_file))?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(failed(key_file))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
