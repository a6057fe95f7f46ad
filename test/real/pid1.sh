#!/usr/bin/env bash
# A machine of its own with systemd as its first process: what it starts, and nothing of the machine around it.
# Run by `unshare` in new namespaces of everything but the network.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/dbus
for folder in /etc/systemd/system /etc/systemd/user /var/log /var/lib/systemd; do
    mount -t tmpfs tmpfs "$folder"
done
# The kernel's settings, the devices and the mounts are those of the machine around it.
for unit in systemd-{sysctl,binfmt,modules-load,tmpfiles-setup,tmpfiles-setup-dev,update-utmp}.service \
    systemd-{update-utmp-runlevel,logind,remount-fs,sysusers,random-seed,hwdb-update}.service \
    systemd-{timesyncd,networkd,udevd,udev-trigger}.service systemd-tmpfiles-clean.timer \
    proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount sys-kernel-{debug,tracing,config}.mount \
    sys-fs-fuse-connections.mount console-getty.service getty.target cron.service ssh.service; do
    ln -s /dev/null "/etc/systemd/system/$unit"
done
# The packages of servers bring units along that would start them.
for unit in nginx redis-server postgresql coturn docker containerd ngircd; do
    ln -s /dev/null "/etc/systemd/system/$unit.service"
done
umount -l /sys/fs/cgroup
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
export container=other
exec /lib/systemd/systemd --system --show-status=no systemd.unit=multi-user.target
