//! Who has a port of this machine.

use std::path::PathBuf;

/// Who listens on a TCP port of this machine: pid and program, as far as we may see it.
pub(crate) fn listener(port: u16) -> Option<(u32, String)> {
    const LISTEN: &str = "0A";
    owner(["/proc/net/tcp", "/proc/net/tcp6"], LISTEN, port)
}

/// Who receives on a UDP port of this machine, likewise.
pub(crate) fn udp_owner(port: u16) -> Option<(u32, String)> {
    const UNCONNECTED: &str = "07";
    owner(["/proc/net/udp", "/proc/net/udp6"], UNCONNECTED, port)
}

fn owner(tables: [&str; 2], state: &str, port: u16) -> Option<(u32, String)> {
    // proc_net_tcp(5): `sl local_address rem_address st … inode`, numbers in hexadecimal.
    let inode = tables.into_iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, local) = fields.get(1)?.rsplit_once(':')?;
            let ours = u16::from_str_radix(local, 16) == Ok(port) && fields.get(3) == Some(&state);
            if ours { fields.get(9).map(|inode| (*inode).to_owned()) } else { None }
        })
    })?;
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pid =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid| {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
            open.into_iter()
                .flatten()
                .flatten()
                .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == socket))
        })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_on_a_port_is_found() {
        let listener_of_ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener_of_ours.local_addr().unwrap().port();
        assert_eq!(listener(port).unwrap().0, std::process::id());
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        assert_eq!(udp_owner(port).unwrap().0, std::process::id());
    }
}
