//! Questions to the name server of this machine. Addresses come from the system's own resolver, which
//! knows `/etc/hosts`; SRV records it has no call for, so that one is asked here, with a datagram.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE, rdata::RData};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket, lookup_host},
    time::timeout,
};

use crate::files;

/// Where a service is, by a name that has addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) target: String,
    pub(super) port: u16,
    priority: u16,
}

/// All addresses of a host, each once.
pub(super) async fn addresses(
    host: &str,
    port: u16,
    patience: Duration,
) -> io::Result<Vec<SocketAddr>> {
    let found = timeout(patience, lookup_host((host, port))).await??;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The SRV records of a name, the preferred first; none where there are none.
pub(super) async fn services(name: &str, patience: Duration) -> io::Result<Vec<Service>> {
    let servers =
        name_servers(&files::read(std::path::Path::new("/etc/resolv.conf")).unwrap_or_default());
    let mut last = io::Error::other("no name server is known: /etc/resolv.conf names none");
    for server in servers.iter().take(3) {
        match timeout(patience / 2, ask(*server, name)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => last = error,
            Err(late) => last = late.into(),
        }
    }
    Err(last)
}

/// `nameserver` lines of `resolv.conf(5)`.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        if words.next() != Some("nameserver") {
            return None;
        }
        // A zone (`fe80::1%eth0`) is not understood here; there is nearly always another one.
        Some(SocketAddr::new(words.next()?.parse::<IpAddr>().ok()?, 53))
    };
    text.lines().filter_map(address).collect()
}

async fn ask(server: SocketAddr, name: &str) -> io::Result<Vec<Service>> {
    let id = rand::random();
    let question = question(id, name).map_err(io::Error::other)?;
    let local: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(local).await?;
    // Only what comes from there is taken.
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut answer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut answer).await?;
        match read(&answer[..length], id) {
            Answer::Another => {}
            Answer::Cut => break,
            Answer::Whole(found) => return found,
        }
    }
    // It did not fit into a datagram.
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    match read(&answer, id) {
        Answer::Whole(found) => found,
        _ => Err(io::Error::other("the name server answers another question")),
    }
}

fn question(id: u16, name: &str) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name)?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::SRV), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

enum Answer {
    /// To a question that we did not ask.
    Another,
    Cut,
    Whole(io::Result<Vec<Service>>),
}

fn read(bytes: &[u8], id: u16) -> Answer {
    let Ok(packet) = Packet::parse(bytes) else { return Answer::Another };
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Answer::Another;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Answer::Cut;
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        other => {
            let why = format!("the name server answers {other:?}");
            return Answer::Whole(Err(io::Error::other(why)));
        }
    }
    let mut found: Vec<Service> = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some(Service {
                target: srv.target.to_string().trim_end_matches('.').to_owned(),
                port: srv.port,
                priority: srv.priority,
            }),
            _ => None,
        })
        .collect();
    found.sort_by_key(|service| service.priority);
    Answer::Whole(Ok(found))
}

#[cfg(test)]
mod tests {
    use simple_dns::{ResourceRecord, rdata::SRV};

    use super::*;

    fn answer(id: u16, services: &[(u16, u16, &str)]) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        for (priority, port, target) in services {
            let target = Name::new(target).unwrap();
            let srv = SRV { priority: *priority, weight: 1, port: *port, target };
            let name = Name::new("_matrix-fed._tcp.a.example").unwrap();
            packet.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(srv)));
        }
        packet.build_bytes_vec_compressed().unwrap()
    }

    #[test]
    fn the_preferred_service_comes_first_and_other_answers_are_passed_over() {
        let bytes = answer(7, &[(20, 8449, "b.example"), (10, 8448, "c.example")]);
        let Answer::Whole(Ok(found)) = read(&bytes, 7) else { panic!() };
        let found: Vec<(&str, u16)> =
            found.iter().map(|service| (service.target.as_str(), service.port)).collect();
        assert_eq!(found, [("c.example", 8448), ("b.example", 8449)]);
        assert!(matches!(read(&bytes, 8), Answer::Another));
        assert!(matches!(read(b"rubbish", 7), Answer::Another));
        assert!(matches!(read(&question(7, "a.example").unwrap(), 7), Answer::Another));
    }

    #[test]
    fn name_servers_are_read() {
        let text = "# x\nsearch a\nnameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%e\n";
        let found: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.53:53", "[::1]:53"]);
    }

    #[tokio::test]
    async fn a_name_server_is_asked() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let mut bytes = [0; 512];
            let (length, from) = server.recv_from(&mut bytes).await.unwrap();
            let id = Packet::parse(&bytes[..length]).unwrap().id();
            server.send_to(&answer(id.wrapping_add(1), &[]), from).await.unwrap();
            server.send_to(&answer(id, &[(1, 443, "d.example")]), from).await.unwrap();
        };
        let (found, ()) = tokio::join!(ask(address, "_matrix-fed._tcp.a.example"), serve);
        assert_eq!(found.unwrap()[0].target, "d.example");
    }
}
