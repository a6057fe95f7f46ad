//! Files for Podman's generator of units (Quadlet): a pod that has the network of all, and a container for each service of
//! the profile that is set. They are the containers that Compose would have, so nothing of them is said again here.
//!
//! Source: podman-systemd.unit(5) of Podman 5.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Written,
    compose::{self, Container, For, Healthcheck},
    prefix,
    systemd::{description, word},
};
use crate::{config::Config, supervisor::service::Service};

/// The files below the folder of quadlets.
pub(super) fn render(
    config: &Config,
    list: &[Service],
    whose: &For,
    is_rootless: bool,
) -> Vec<Written> {
    let prefix = prefix(config);
    let mut containers = compose::containers(config, whose);
    let network = containers.remove(compose::NETWORK).unwrap_or_default();
    // Unasked a pod ends with the first container that does, and the first one ends when all is prepared.
    let mut pod = format!(
        "[Unit]\nDescription=Matrix homeserver {}\n\n[Pod]\nPodName={prefix}\nPodmanArgs=--exit-policy=continue\n",
        config.server.name
    );
    if is_rootless {
        // The account is the same inside and outside.
        pod.push_str("UserNS=keep-id\n");
    }
    for port in &network.ports {
        writeln!(pod, "PublishPort={port}").ok();
    }
    pod.push_str("\n[Install]\nWantedBy=multi-user.target default.target\n");
    let mut files = vec![Written::marked(format!("{prefix}.pod"), &pod)];
    for service in list {
        let Some(container) = containers.get(&service.name) else { continue };
        let text = unit(config, service, container, &containers, &prefix);
        files.push(Written::marked(format!("{prefix}-{}.container", service.name), &text));
    }
    files.extend(compose::beside(config, whose));
    files
}

fn unit(
    config: &Config,
    service: &Service,
    container: &Container,
    all: &BTreeMap<String, Container>,
    prefix: &str,
) -> String {
    let mut text = format!("[Unit]\nDescription={}\n", description(config, service));
    let mut line = |key: &str, value: &str| {
        writeln!(text, "{key}={value}").ok();
    };
    for (need, how) in &container.depends_on {
        if !all.contains_key(need) {
            continue;
        }
        let unit = format!("{prefix}-{need}.service");
        line(if how.condition == "service_started" { "Wants" } else { "Requires" }, &unit);
        line("After", &unit);
    }
    line("\n[Container]\nPod", &format!("{prefix}.pod"));
    line("ContainerName", &format!("{prefix}-{}", service.name));
    line("Image", &container.image);
    line("Pull", container.pull_policy);
    let words: Vec<String> = container.command.iter().map(|it| word(it)).collect();
    line("Exec", &words.join(" "));
    for (name, value) in &container.environment {
        // The profile is the one that is rendered.
        let value = if name == compose::PROFILE { &config.profile.name } else { value };
        line("Environment", &word(&format!("{name}={value}")));
    }
    let (user, group) = container.user.split_once(':').unwrap_or((&container.user, "0"));
    line("User", user);
    line("Group", group);
    line("RunInit", "true");
    line("ReadOnly", "true");
    line("NoNewPrivileges", "true");
    line("DropCapability", "all");
    for capability in &container.cap_add {
        line("AddCapability", &format!("CAP_{capability}"));
    }
    for folder in &container.tmpfs {
        line("Tmpfs", folder);
    }
    for volume in &container.volumes {
        // Quotes would be a part of the path.
        let end = if volume.read_only { ":ro" } else { "" };
        line("Volume", &format!("{}:{}{end}", volume.source, volume.target));
    }
    for secret in &container.secrets {
        line("Volume", &format!("{0}:{0}:ro", secret.target));
    }
    line("StopSignal", &container.stop_signal);
    line("StopTimeout", container.stop_grace_period.trim_end_matches('s'));
    line("PidsLimit", &container.deploy.resources.limits.pids.to_string());
    line("PodmanArgs", &format!("--memory={}", container.deploy.resources.limits.memory));
    line("LogDriver", "journald");
    match &container.healthcheck {
        Some(Healthcheck::Asks(health)) => {
            let words: Vec<String> = health.test.iter().skip(1).map(|it| word(it)).collect();
            line("HealthCmd", &words.join(" "));
            line("HealthInterval", &health.interval);
            line("HealthTimeout", &health.timeout);
            line("HealthRetries", &health.retries.to_string());
            line("HealthStartPeriod", &health.start_period);
            // Whoever needs it waits until it is well.
            line("Notify", "healthy");
        }
        _ => line("HealthCmd", "none"),
    }
    line(
        "\n[Service]\nRestart",
        match container.restart.as_str() {
            "no" => "no",
            "unless-stopped" => "always",
            _ => "on-failure",
        },
    );
    if container.restart == "no" || service.name == super::ACCOUNT {
        line("Type", "oneshot");
        line("RemainAfterExit", "yes");
    } else {
        line("RestartSec", "1");
    }
    line("TimeoutStartSec", "15min");
    line("\n[Install]\nWantedBy", "multi-user.target default.target");
    text
}
