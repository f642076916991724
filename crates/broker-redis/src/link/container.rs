//! The mistake everyone makes first: `localhost` inside a container.

use std::path::Path;

use crate::url::Host;

/// True if this process runs in a container.
///
/// Docker and Podman leave a file, Kubernetes an environment variable, systemd-nspawn, LXC and Podman the variable
/// `container`; without any of them the control group may still say so.
pub fn in_container() -> bool {
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || std::env::var_os("container").is_some_and(|value| !value.is_empty())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || std::fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| names_a_container(&text))
}

fn names_a_container(cgroup: &str) -> bool {
    ["/docker", "/kubepods", "/containerd", "/libpod", "/lxc/", "/crio"]
        .iter()
        .any(|mark| cgroup.contains(mark))
}

/// What to do about a Redis that is looked for on the container itself.
pub const LOCALHOST_IN_A_CONTAINER: &str = "this process runs in a container, and there \"localhost\" is the container \
    itself, not the machine it runs on: with Compose use the name of the service, for example \
    REDIS_URL=redis://redis:6379/0; for a Redis on the machine itself, Docker Desktop has the name host.docker.internal";

/// The help for a refused connection, if the host is this container itself.
pub fn container_help(host: &Host) -> Option<&'static str> {
    (host.is_loopback() && in_container()).then_some(LOCALHOST_IN_A_CONTAINER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_containers_are_known() {
        assert!(names_a_container("0::/docker/0123abc"));
        assert!(names_a_container("11:cpu:/kubepods/burstable/pod1"));
        assert!(!names_a_container("0::/init.scope"));
        assert!(!names_a_container("0::/"));
    }

    #[test]
    fn other_hosts_get_no_such_help() {
        assert_eq!(container_help(&Host { name: "redis".to_owned(), port: 6379 }), None);
    }
}
