//! nginx in front: where it listens, and what it tells about this server.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use super::{stack::Part, synapse::Mode};
use crate::config::{
    Config,
    values::{
        setting::section,
        shape::{Port, ServerName},
    },
};

section! {
    /// nginx in front: where it listens, and what it tells about this server.
    Proxy "proxy" {
        /// nginx program to run; default: the one on PATH.
        program: Option<PathBuf> = "" ["MATRIX_SYNAPSE_NGINX"];
        /// Address the proxy listens on; `0.0.0.0` or `::` makes it reachable from other machines.
        address: IpAddr = "127.0.0.1" ["MATRIX_SYNAPSE_PROXY_ADDRESS"];
        /// Port for HTTP. With a certificate it only redirects to HTTPS.
        http_port: Port = "8480" ["MATRIX_SYNAPSE_PROXY_HTTP_PORT"];
        /// Port for HTTPS, used if there is a certificate.
        https_port: Port = "8443" ["MATRIX_SYNAPSE_PROXY_HTTPS_PORT"];
        /// Port for other servers, used if there is a certificate and federation is on.
        federation_port: Port = "8448" ["MATRIX_SYNAPSE_PROXY_FEDERATION_PORT", "MATRIX_FEDERATION_PORT"];
        /// Concurrent requests to processes of one kind; further ones get 429 and are told to wait.
        requests_at_once: u32 = "2000" ["MATRIX_SYNAPSE_PROXY_REQUESTS_AT_ONCE"];
        /// Serve `/.well-known/matrix/client`, and with federation `/.well-known/matrix/server`.
        well_known: bool = "true" ["MATRIX_SYNAPSE_PROXY_WELL_KNOWN"];
        /// `host:port` that other servers are told to connect to; default: the host of the public URL.
        federation_address: Option<ServerName> = "" ["MATRIX_SYNAPSE_PROXY_FEDERATION_ADDRESS"];
    }
}

/// A listener as a program on this machine reaches it: one that listens everywhere also does on
/// loopback.
pub(crate) fn url_here(address: IpAddr, port: Port) -> String {
    let address = match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    format!("http://{}", SocketAddr::new(address, port.0))
}

impl Config {
    /// What listens beside the homeserver, as a program on this machine reaches it; or by name, from a container that
    /// does not run the homeserver.
    pub(crate) fn with_homeserver(&self, address: IpAddr, port: Port) -> String {
        match &self.workers.address {
            Some(host) if self.is_joined() && self.is_named() => {
                format!("http://{}:{port}", host.bracketed())
            }
            _ => url_here(address, port),
        }
    }

    /// The proxy, as a program on this machine reaches it over HTTP.
    pub(crate) fn proxy_url(&self) -> String {
        url_here(self.proxy.address, self.proxy.http_port)
    }
    /// The proxy, as others reach it over HTTPS.
    pub(crate) fn proxy_https_url(&self) -> String {
        let port = match self.proxy.https_port.0 {
            443 => String::new(),
            port => format!(":{port}"),
        };
        format!("https://{}{port}", self.server.name.0.host())
    }

    /// Whether there are other servers.
    pub(crate) fn serves_federation(&self) -> bool {
        self.synapse.federation != Mode::Off
    }

    /// The ports that the proxy of the profile listens on, each with its setting.
    pub(crate) fn proxy_ports(&self) -> Vec<(&'static str, Port)> {
        let proxy = &self.proxy;
        let mut ports = Vec::new();
        if self.has(Part::Proxy) {
            ports.push(("proxy.http_port", proxy.http_port));
            if self.tls.certificate.is_some() {
                ports.push(("proxy.https_port", proxy.https_port));
                if self.serves_federation() {
                    ports.push(("proxy.federation_port", proxy.federation_port));
                }
            }
        }
        ports
    }

    /// What other servers are told to connect to, as `host:port`.
    pub(crate) fn federation_address(&self) -> String {
        if let Some(address) = &self.proxy.federation_address {
            return address.to_string();
        }
        let public = self.server.public_url.as_ref().and_then(|url| url.0.strip_prefix("https://"));
        match public.map(|rest| rest.split('/').next().unwrap_or(rest)) {
            Some(host) if has_port(host) => host.to_owned(),
            Some(host) => format!("{host}:443"),
            None => format!("{}:{}", self.server.name.0.host(), self.proxy.federation_port),
        }
    }
}

/// Whether a host is followed by a port; the colons of an IPv6 address stand in brackets.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Error, sources::environment::Environment},
        data_dir::DataDir,
    };

    fn load(flags: &[&str]) -> Result<Config, Error> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(DataDir::new("/nowhere".into()), &flags, &Environment::default())
    }

    #[test]
    fn other_servers_are_led_to_the_public_address() {
        for (flags, address) in [
            (&["server.name=example.org:8448"][..], "example.org:8448"),
            (&["server.public_url=https://matrix.example.org/"], "matrix.example.org:443"),
            (&["server.public_url=https://[::1]:9443/x"], "[::1]:9443"),
            (&["server.public_url=https://[::1]"], "[::1]:443"),
            (&["server.public_url=http://10.0.0.1:8480"], "vrooli.local:8448"),
            (&["proxy.federation_address=a.example:443"], "a.example:443"),
        ] {
            assert_eq!(load(flags).unwrap().federation_address(), address);
        }
    }

    #[test]
    fn with_a_proxy_clients_are_led_to_it() {
        assert_eq!(load(&[]).unwrap().public_url(), "http://127.0.0.1:8008");
        let isms = "stack.profile=isms";
        assert_eq!(load(&[isms]).unwrap().public_url(), "http://127.0.0.1:8480");
        let own = "tls.certificate=own";
        assert_eq!(load(&[isms, own]).unwrap().public_url(), "https://vrooli.local:8443");
        let usual = load(&[isms, own, "proxy.https_port=443"]).unwrap();
        assert_eq!(usual.public_url(), "https://vrooli.local");
        let open = load(&[isms, "proxy.address=::", "proxy.http_port=80"]).unwrap();
        assert_eq!(open.public_url(), "http://[::1]:80");
    }

    #[test]
    fn no_setting_can_hold_what_nginx_would_understand() {
        for flag in [
            "server.public_url=https://a.example/';}",
            "server.public_url=https://a.example/$host",
            "server.public_url=https://a.example/\\",
            "server.public_url=a.example",
            "server.public_url=https://a.example/_matrix",
            "server.public_url=ftp://a.example",
            "proxy.address=localhost; include /etc/passwd",
            "proxy.federation_address=a.example';",
            "proxy.http_port=80 ssl",
        ] {
            let error = load(&[flag]).unwrap_err().to_string();
            assert!(error.contains(" must be "), "{flag}: {error}");
        }
    }
}
